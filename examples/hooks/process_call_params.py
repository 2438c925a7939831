#!/usr/bin/env python3
"""The note in the CRM says in Russian how the call went."""
import json
import sys

WORDS = {
    "answered": "Разговор состоялся",
    "missed": "Пропущенный",
    "no_answer": "Не ответили",
    "busy": "Занято",
    "cancelled": "Отменён",
    "voicemail": "Голосовое сообщение",
}

params = json.load(sys.stdin)
text = WORDS.get(params["call_result"], params["call_result"])
line = params["call_full"]["channel"]["trunk"]["name"]
if line:
    text += f" (линия {line})"
json.dump({"state": "success", "data": {"call_result": text}}, sys.stdout)
