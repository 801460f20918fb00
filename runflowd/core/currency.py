"""Currencies by their codes (ISO 4217): which there are, what else people write, and how an amount is shown."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from runflowd.core.suggestion import closest

USD = "USD"
"""In which the service bills, where nothing else is said."""

_IN_CIRCULATION = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ
GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP
LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR
PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC
SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF
XPF YER ZAR ZMW ZWG
"""

CODES = frozenset(_IN_CIRCULATION.split())
"""The codes of money in circulation, as of 2025; funds, metals and codes for tests are none of them."""

_WORDS = {
    "$": "USD",
    "us$": "USD",
    "dollar": "USD",
    "dollars": "USD",
    "€": "EUR",
    "euro": "EUR",
    "euros": "EUR",
    "£": "GBP",
    "pound": "GBP",
    "pounds": "GBP",
    "¥": "JPY",
    "yen": "JPY",
    "₹": "INR",
    "rupee": "INR",
    "rupees": "INR",
    "franc": "CHF",
    "francs": "CHF",
}
"""What is written in the place of a code."""


def meant_by(text: str) -> str:
    """The code that somebody means who wrote `text`, which is none; "" where nothing is alike."""
    bare = text.strip()
    return _WORDS.get(bare.lower(), "") or closest(bare.upper(), sorted(CODES), likeliest={"USD", "EUR", "GBP"})


def amount_text(amount: Decimal, currency: str = USD) -> str:
    """An exact amount as sentences have it: `$0.35`, or `0.35 EUR`."""
    number = format(amount, "f")
    return f"${number}" if currency == USD else f"{number} {currency}"


def to_cents(amount: Decimal) -> Decimal:
    """An amount to the cent, unless it is less than one: then to the hundredth of a cent."""
    cent = Decimal("0.01")
    return amount.quantize(cent if amount >= cent else cent / 100, ROUND_HALF_UP)
