"""API keys: who calls, which models and limits a key has, and the records of issued keys."""

from headrace.keys.api_keys import ApiKeys, Throttle
from headrace.keys.issued import IssuedKeys
from headrace.keys.master_key import MasterKey
from headrace.keys.quota import quota
from headrace.keys.records import KeyRecord, KeyRecords, new_record

__all__ = ["ApiKeys", "IssuedKeys", "KeyRecord", "KeyRecords", "MasterKey", "Throttle", "new_record", "quota"]
