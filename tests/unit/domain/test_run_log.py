"""The part of a run's log that may be shown."""

from __future__ import annotations

import pytest

from bot.domain.text.run_log import end_of_log, failure_code, last_error, scrub

MESSAGE = "mat1 and mat2 shapes cannot be multiplied (77x2048 and 768x320)"
COMFY = [
    "got prompt\n",
    f"!!! Exception during processing !!! {MESSAGE}\n",
    'Traceback (most recent call last):\n  File "/comfyui/execution.py", line 323, in execute\n    run()\n',
    f"\x1b[31mRuntimeError: {MESSAGE}\x1b[0m\n",
    "\nPrompt executed in 3.21 seconds\n",
]


def test_the_last_exception_line_is_found_in_comfyuis_output() -> None:
    log = end_of_log(COMFY)
    assert log is not None
    assert last_error(log) == f"RuntimeError: {MESSAGE}"
    assert 'File "[path]", line 323' in log
    assert log.splitlines()[-1] == "Prompt executed in 3.21 seconds"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory.", "torch.OutOfMemoryError: CUDA out of memory."),
        ("2026-11-24 14:04:36,123 - ERROR - ValueError: no", "ValueError: no"),
        ("[2026-11-24T14:04:36Z] [ERROR] KeyError: 'x'", "KeyError: 'x'"),
        ("!!! Exception during processing!!! it broke", "it broke"),
        ("KeyboardInterrupt", "KeyboardInterrupt"),
        ("an Error: in the middle", None),
        ("Loaded the model", None),
        ("", None),
    ],
)
def test_an_error_is_recognised_by_its_line(line: str, error: str | None) -> None:
    assert last_error(line) == error
    assert last_error(None) is None


def test_the_error_is_kept_whatever_follows_it() -> None:
    log = end_of_log([*COMFY, *[f"{'noise ' * 60}{number}\n" for number in range(50)]])
    assert last_error(log) == f"RuntimeError: {MESSAGE}"
    assert log is not None
    assert len(log) <= 2000


HIDDEN = r"""
https://files.example/a.png?X-Amz-Signature=abc s3://bucket/key 10.0.0.7:8188 ::1 fe80::1ff:fe23:4567:890a
2001:db8:0:0:1:2:3:4 localhost:8188 machine.internal api.worker.cloud someone@mail.example ~/models/x
/home/someone/ComfyUI/models/x.safetensors C:\Users\someone\x.py models/checkpoints/sd_xl.safetensors
hf_abcdefghijklmnop AKIAIOSFODNN7EXAMPLE 0123456789abcdef0123456789abcdef
"""


@pytest.mark.parametrize("hidden", HIDDEN.split())
def test_addresses_paths_and_secrets_are_not_shown(hidden: str) -> None:
    for line in (f"ValueError: bad {hidden} here", f"ValueError: '{hidden}'", f"ValueError: {hidden}"):
        log = end_of_log([line])
        assert log is not None
        assert hidden not in log
        assert last_error(log) is not None


SECRETS = r"""
Authorization: Bearer s3cr
{'Authorization': 'Token s3cr s3cr', 'Accept': '*'}
(b'authorization', b'Basic s3cr')
{\"Authorization\": \"Basic s3cr\"}
curl -H "X-Api-Key: s3cr" -H "Cookie: a=s3cr; b=s3cr"
Basic s3cr+s3crA=
cookies={'session': 's3cr'}
api_key='s3cr'
password: correct horse s3cr
passphrase = 's3cr s3cr'
--http-password 's3cr s3cr'
curl -u me:s3cr
curl -ume:s3cr
['curl', '-u', 'me:s3cr', '--password', 's3cr']
mysql -ps3cr
sshpass -p s3cr ssh
docker login -u me -p s3cr
postgres me:s3cr@db.local
aws_session_token = s3cr
AKIAIOSFODNNs3cr
wJalrXUtnFEMI/K7MDENG/bPxRfiCYEs3crEKEY0
MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRs3crCq4se7kKWs0
123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALs3cr
sk-ant-api03-s3cr
eyJhbGciOiJI.s3cr.s3cr
-----BEGIN KEY-----\nMIIEs3crMIIEs3crMI
https:\/\/bot.example\/webhooks\/x\/s3cr
""".strip().splitlines()
PEM = "-----BEGIN KEY-----\nMIIEs3cr\ns3cr=\n-----END KEY-----"


@pytest.mark.parametrize("secret", [*SECRETS, PEM])
def test_no_part_of_a_secret_is_shown_wherever_the_log_is_cut(secret: str) -> None:
    for padding in ("", *(f"{'x' * length} " for length in [*range(350, 400, 3), *range(640, 700, 3)])):
        log = end_of_log([f"{padding}{secret}", "ValueError: it broke"])
        assert log is not None
        assert "s3cr" not in log
        assert last_error(log) == "ValueError: it broke"


@pytest.mark.parametrize("prefix", ["Authorization: Bearer ", "token=", "hf_", "eyJ", "https://x/", ""])
def test_a_secret_of_any_length_is_replaced_whole(prefix: str) -> None:
    log = end_of_log([f"ValueError: {prefix}{'aB3' * 700}"])
    assert log is not None
    assert "aB3" not in log


@pytest.mark.parametrize(
    "part",
    ["a:", "a/", "a.", "token=", "auth: ", "-u ", "docker -", "'", "\\", "x-", "aB1/", "-----BEGIN K-----"],
)
def test_a_long_hostile_line_is_masked_in_one_pass(part: str) -> None:
    log = end_of_log([part * (100_000 // len(part)), "ValueError: x"])
    assert last_error(log) == "ValueError: x"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "run_failed_memory"),
        ("!!! Exception during processing !!! Allocation on device 0", "run_failed_memory"),
        ("[ERROR] Failed to validate prompt for output 9:", "run_failed_input"),
        ("invalid prompt: {'type': 'prompt_outputs_failed_validation'}", "run_failed_input"),
        ("out of memory, but going on", "run_failed"),
        ("ValueError: no", "run_failed"),
        ("FileNotFoundError: no model flux.safetensors", "run_failed_missing"),
        ("ModuleNotFoundError: No module named 'xformers'", "run_failed_missing"),
        ("requests.exceptions.ConnectTimeout: HTTPSConnectionPool", "run_failed_network"),
        ("urllib3.exceptions.MaxRetryError: Max retries exceeded", "run_failed_network"),
    ],
)
def test_a_log_tells_the_kind_of_a_failure(line: str, code: str) -> None:
    assert failure_code(end_of_log(["got prompt", line])) == code
    assert failure_code(None) == "run_failed"


@pytest.mark.parametrize(
    "line",
    [
        f"RuntimeError: {MESSAGE}",
        "torch.cuda.OutOfMemoryError: Tried to allocate 20.00 MiB (GPU 0; 14.58 GiB total capacity)",
        "12:34:56 and/or 1/2 of c10::Error, std::bad_alloc in torch.nn.functional at 2026-11-24",
        "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge",
        "AuthenticationError: Invalid key; KeyError: 'token'; unexpected token at position 3; author: Bob",
        "python -u main.py with the Basic Transformer block",
    ],
)
def test_a_helpful_line_is_left_as_it_is(line: str) -> None:
    assert scrub(line) == line
