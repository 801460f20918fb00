"""Every kind of request that the API client makes, in one table.

Downloads and the bytes of uploads go elsewhere, see `transfers`.
"""

from __future__ import annotations

from runflowd.api.errors import Scope
from runflowd.api.session import Call
from runflowd.api.transfers import BEHIND

UPLOAD = Call("start the upload", "POST", "asset-uploads", Scope.ITEM, behind=BEHIND)
CONFIRM = Call("confirm the upload", "POST", "asset-uploads/{id}/confirmations", Scope.ITEM, behind=BEHIND / 2)
ASSET = Call("read the asset", "GET", "assets/{id}", Scope.ITEM)
CREATE_BATCH = Call("create the batch", "POST", "models/{model}/batches", effect=True)
CREATE_RUN = Call("create the run", "POST", "models/{model}/runs", Scope.ITEM, effect=True)
BATCH = Call("read the batch", "GET", "batches/{id}")
ITEMS = Call("read the batch's items", "GET", "batches/{id}/items")
RUN = Call("read the run", "GET", "runs/{id}", Scope.ITEM)
RUNS = Call("search the runs", "GET", "runs")
BALANCE = Call("read the balance", "GET", "billing/balance", Scope.SERVICE)
CREDIT = Call("read the balance", "GET", "credit-balances", Scope.SERVICE)
MODEL = Call("read the model", "GET", "models/{model}", Scope.RULE)
PRICING = Call("read the price", "GET", "models/{model}/pricing", Scope.RULE)
MODELS = Call("search the models", "GET", "models", Scope.SERVICE)
ME = Call("read the account", "GET", "auth/me", Scope.SERVICE)
SECRET = Call("create a callback secret", "POST", "callback-secrets", Scope.SERVICE, effect=True)
