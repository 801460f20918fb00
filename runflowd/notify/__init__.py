"""Notifications: messages that lie in the state file are sent, and a monitor gets its sign of life.

No stage waits for anything here, and a message that cannot be sent stops nothing.
"""

from __future__ import annotations

from runflowd.notify.sender import NotificationSender

__all__ = ["NotificationSender"]
