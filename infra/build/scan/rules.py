"""The rules for text: what a secret looks like, and what code has no business in an agent.

A rule is tried only on files that contain one of its `hints`, so that a clean source compiles
no pattern at all; that keeps the scan of a small source at a few milliseconds.
"""

from __future__ import annotations

import re
from functools import cached_property

from chalicelib.values import frozen
from infra.build.scan.findings import Level, Severity

_CODE = (
    ".py",
    ".js",
    ".mjs",
    ".cjs",
    ".ts",
    ".tsx",
    ".jsx",
    ".rs",
    ".sh",
    ".bash",
    ".rb",
    ".pl",
    ".php",
    ".html",
    "",
)
_PYTHON = (".py",)
_SCRIPT = (".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".html")


@frozen
class Rule:
    """One pattern. `secret` findings are never quoted and are milder in tests and documents."""

    name: str
    severity: Severity
    level: Level
    pattern: str
    hints: tuple[bytes, ...]
    detail: str
    advice: str
    suffixes: tuple[str, ...] | None = None
    secret: bool = False
    may_be_allowed: bool = True
    """Whether the source itself can vouch for it; malice would."""

    @cached_property
    def compiled(self) -> re.Pattern[bytes]:
        """The pattern, compiled when a hint made it worth while."""
        return re.compile(self.pattern.encode())


_ROTATE = (
    "Take it out of the source, revoke it where it was issued (it must count as leaked), and set "
    "a new one under the agent's variables as a secret."
)


def _token(
    name: str, issuer: str, pattern: str, *hints: bytes, severity: Severity = "critical"
) -> Rule:
    return Rule(
        name=f"secret_{name}",
        severity=severity,
        level="block",
        pattern=rf"(?<![A-Za-z0-9_-])(?:{pattern})(?![A-Za-z0-9_-])",
        hints=hints,
        detail=f"This looks like {issuer}.",
        advice=_ROTATE,
        secret=True,
    )


SECRETS = (
    _token(
        "aws_access_key", "an AWS access key id", r"(?:AKIA|ASIA)[A-Z0-9]{16}", b"AKIA", b"ASIA"
    ),
    Rule(
        name="secret_aws_secret_key",
        severity="critical",
        level="block",
        pattern=r"(?i)aws.{0,20}secret.{0,20}[=:]\s*['\"]?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
        hints=(b"aws", b"AWS", b"Aws"),
        detail="This looks like an AWS secret access key.",
        advice=_ROTATE,
        secret=True,
    ),
    _token(
        "github",
        "a GitHub token",
        r"gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{60,255}",
        b"ghp_",
        b"gho_",
        b"ghu_",
        b"ghs_",
        b"ghr_",
        b"github_pat_",
    ),
    _token("anthropic", "an Anthropic API key", r"sk-ant-[A-Za-z0-9_-]{24,}", b"sk-ant-"),
    _token(
        "openai",
        "an OpenAI API key",
        r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{24,}|sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}|sk-[A-Za-z0-9]{48}",
        b"sk-",
    ),
    _token(
        "slack",
        "a Slack token",
        r"xox[abeoprs]-[A-Za-z0-9-]{20,}|xapp-\d-[A-Za-z0-9-]{20,}",
        b"xox",
        b"xapp-",
    ),
    Rule(
        name="secret_slack_webhook",
        severity="high",
        level="block",
        pattern=r"hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{20,}",
        hints=(b"hooks.slack.com",),
        detail="This looks like a Slack webhook address, which lets anyone post.",
        advice=_ROTATE,
        secret=True,
    ),
    _token("stripe", "a live Stripe key", r"(?:sk|rk)_live_[A-Za-z0-9]{20,}", b"k_live_"),
    _token(
        "stripe_webhook",
        "a Stripe webhook secret",
        r"whsec_[A-Za-z0-9]{30,}",
        b"whsec_",
        severity="high",
    ),
    _token(
        "google_api_key", "a Google API key", r"AIza[A-Za-z0-9_-]{35}", b"AIza", severity="high"
    ),
    _token("gitlab", "a GitLab token", r"glpat-[A-Za-z0-9_-]{20,}", b"glpat-"),
    _token("npm", "an npm token", r"npm_[A-Za-z0-9]{36}", b"npm_"),
    _token("pypi", "a PyPI token", r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}", b"pypi-AgEI"),
    _token("huggingface", "a Hugging Face token", r"hf_[A-Za-z]{34}", b"hf_", severity="high"),
    _token("sendgrid", "a SendGrid key", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}", b"SG."),
    _token(
        "telegram", "a Telegram bot token", r"\d{8,10}:AA[A-Za-z0-9_-]{33}", b":AA", severity="high"
    ),
    Rule(
        name="secret_private_key",
        severity="critical",
        level="block",
        pattern=r"-----BEGIN (?:RSA |EC |DSA |OPENSSH |ENCRYPTED |PGP )?PRIVATE KEY"
        r"(?: BLOCK)?-----\s*(?:\\n|\\r|[\s'\"+])*[A-Za-z0-9+/=:, -]{16,}",
        hints=(b"PRIVATE KEY",),
        detail="This is a private key.",
        advice=_ROTATE,
        secret=True,
    ),
    Rule(
        name="secret_url_password",
        severity="high",
        level="warn",
        pattern=r"(?i)\b(?:postgres(?:ql)?|mysql|mongodb(?:\+srv)?|redis|amqps?|https?)://[^\s:/@'\"<>${}]+:"
        r"(?!password\b|pass\b|secret\b|postgres\b|user\b|root\b|example\b|changeme\b|x{3,}|\*{3,})[^\s:/@'\"<>${}\[\]]{6,}@"
        r"(?!localhost|127\.0\.0\.1|(?:db|postgres|mysql|redis|mongo|host)[:/]|example)",
        hints=(b"://",),
        detail="An address with a password in it.",
        advice="Keep the address in a secret variable instead, and change the password.",
        secret=True,
    ),
)

HOSTILE = (
    Rule(
        name="reverse_shell",
        severity="critical",
        level="block",
        pattern=r"/dev/(?:tcp|udp)/[^\s'\"]+/\S+\s*(?:0>&1|<&|>&)|>&\s*/dev/(?:tcp|udp)/|0<&\d+;\s*exec\s+\d+<>\s*/dev/tcp/"
        r"|exec\s+\d+<>\s*/dev/(?:tcp|udp)/"
        r"|\bn(?:c|cat)\b[^\n|]{0,80}\s-(?:[a-z]*e|-exec|c)\s+(?:/bin/|/usr/bin/)?(?:ba|z|da)?sh\b"
        r"|\bmkfifo\b[^\n]{0,200}\bn(?:c|cat)\b",
        hints=(b"/dev/tcp/", b"/dev/udp/", b"nc ", b"ncat ", b"mkfifo"),
        detail="A reverse shell: it hands a shell of this machine to somebody else.",
        advice="Remove it. An agent has no use for it.",
        suffixes=None,
        may_be_allowed=False,
    ),
    Rule(
        name="reverse_shell",
        severity="critical",
        level="block",
        pattern=r"os\.dup2\(\s*\w+\.fileno\(\)\s*,\s*[012]\s*\)[\s\S]{0,600}?(?:pty\.spawn|subprocess\.|os\.system|os\.exec)"
        r"|(?:pty\.spawn|subprocess\.(?:call|run|Popen))\([^\n]{0,80}sh['\"][^\n]{0,80}stdin\s*=\s*\w+\.(?:makefile|fileno)",
        hints=(b"os.dup2", b"pty.spawn", b".fileno()"),
        detail="A reverse shell: it connects a shell of this machine to a socket.",
        advice="Remove it. An agent has no use for it.",
        suffixes=_PYTHON,
        may_be_allowed=False,
    ),
    Rule(
        name="reverse_shell",
        severity="critical",
        level="block",
        pattern=r"(?:spawn|exec)\(\s*['\"](?:/bin/)?(?:ba|z|da)?sh['\"][\s\S]{0,400}?(?:\.pipe\(\s*\w+\.stdin|\.stdout\.pipe\()"
        r"[\s\S]{0,200}?(?:\.stdout\.pipe\(|\.pipe\(\s*\w+\.stdin)",
        hints=(b".stdin", b".stdout.pipe"),
        detail="A reverse shell: it connects a shell of this machine to a stream.",
        advice="Remove it. An agent has no use for it.",
        suffixes=_SCRIPT,
        may_be_allowed=False,
    ),
    Rule(
        name="miner",
        severity="critical",
        level="block",
        pattern=r"(?i)stratum\+(?:tcp|ssl|tls)://|\bxmrig\b|\bxmr-stak\b|\bcpuminer\b|coinhive(?:\.min)?\.js|new\s+CoinHive|\bminerd\s+-[a-z]",
        hints=(
            b"stratum+",
            b"xmrig",
            b"XMRig",
            b"xmr-stak",
            b"cpuminer",
            b"coinhive",
            b"CoinHive",
            b"minerd",
        ),
        detail="A coin miner, or the address of a mining pool.",
        advice="Remove it. Mining is not allowed here.",
        suffixes=(*_CODE, ".json", ".yaml", ".yml", ".toml", ".cfg", ".conf"),
        may_be_allowed=False,
    ),
    Rule(
        name="environment_theft",
        severity="critical",
        level="block",
        pattern=r"(?:requests|httpx)\.(?:post|put|get)\([^\n]{0,200}(?:json|data|params)\s*=\s*(?:dict\(\s*)?os\.environ\b(?!\s*(?:\.get|\[))"
        r"|fetch\([^\n]{0,200}JSON\.stringify\(\s*process\.env\s*\)",
        hints=(b"os.environ", b"process.env"),
        detail="All environment variables, secrets among them, are sent over the network.",
        advice="Send only the values that the other side needs.",
        suffixes=_CODE,
        may_be_allowed=False,
    ),
    Rule(
        name="encoded_execution",
        severity="critical",
        level="block",
        pattern=r"\b(?:exec|eval)\(\s*(?:compile\(\s*)?(?:__import__\(['\"]\w+['\"]\)|base64|zlib|codecs|marshal|bytes)\.(?:b64decode|b32decode|b85decode|decompress|decode|loads|fromhex)\("
        r"|\beval\(\s*(?:atob\(|Buffer\.from\([^)]{20,},\s*['\"](?:base64|hex)['\"])"
        r"|base64\s+(?:-d|--decode|-D)\s*\|\s*(?:ba|z|da)?sh\b",
        hints=(b"b64decode", b"decompress", b"marshal", b"atob(", b"base64", b"fromhex", b"codecs"),
        detail="Code is decoded and then run, which hides what it does.",
        advice="Put the code into the source as it is.",
        suffixes=(*_CODE, ".json"),
        may_be_allowed=False,
    ),
    Rule(
        name="eval_of_input",
        severity="high",
        level="block",
        pattern=r"(?<![\w.])(?:eval|exec)\(\s*(?:await\s+)?(?:flask\.)?(?:request|req|self\.request)\.(?:args|form|json|data|values|get_json|body|query|params|query_params|headers|cookies|GET|POST)\b"
        r"|(?<![\w.])(?:eval|Function)\(\s*(?:req|request|ctx|ctx\.request|event)\.(?:body|query|params|headers)\b"
        r"|(?:os\.system|os\.popen|subprocess\.(?:run|call|Popen|check_output|getoutput))\(\s*(?:f['\"][^'\"\n]*\{)?\s*(?:flask\.)?(?:request|req)\.(?:args|form|json|data|values|get_json|GET|POST|query_params)\b"
        r"|(?:(?<![\w.])exec|(?:child_process|cp)\.exec|execSync)\(\s*(?:`[^`\n]*\$\{)?\s*(?:req|request)\.(?:body|query|params)\b",
        hints=(
            b"eval(",
            b"exec(",
            b"Function(",
            b"os.system",
            b"os.popen",
            b"subprocess.",
            b"execSync(",
        ),
        detail="What a visitor sends is run as code.",
        advice="Parse the input instead (json.loads, ast.literal_eval, a small parser), and never "
        "pass it to eval, exec or a shell.",
        suffixes=_CODE,
    ),
    Rule(
        name="pipe_to_shell",
        severity="medium",
        level="warn",
        pattern=r"\b(?:curl|wget)\b[^\n|;&]{0,200}\|\s*(?:sudo\s+)?(?:env\s+)?(?:ba|z|da)?sh\b",
        hints=(b"curl", b"wget"),
        detail="A script from the network is piped into a shell.",
        advice="Ship the script with the source, or install the tool from a package registry.",
        suffixes=(
            ".sh",
            ".bash",
            ".py",
            ".js",
            ".mjs",
            ".cjs",
            ".ts",
            ".rs",
            ".toml",
            ".yaml",
            ".yml",
            "",
        ),
    ),
    Rule(
        name="unsafe_deserialisation",
        severity="medium",
        level="warn",
        pattern=r"\b(?:pickle|cPickle|marshal|dill)\.loads?\(\s*(?:await\s+)?(?:request|req)\.|\byaml\.(?:unsafe_load|load)\(\s*(?:request|req)\.",
        hints=(b"pickle", b"marshal", b"yaml.", b"dill"),
        detail="What a visitor sends is unpickled, which can run code.",
        advice="Take JSON instead.",
        suffixes=_PYTHON,
    ),
)

#: Assignments whose name promises a secret; the value decides whether it is one.
ASSIGNMENT = Rule(
    name="secret_generic",
    severity="medium",
    level="warn",
    pattern=r"(?i)\b([a-z0-9_.-]{0,30}(?:api[_-]?key|secret[_-]?key|access[_-]?token|auth[_-]?token|client[_-]?secret|password|passwd|secret))"
    r"['\"]?\s*[:=]\s*['\"]([A-Za-z0-9+/=_.~!@#$%^&*-]{16,120})['\"]",
    hints=(b"key", b"KEY", b"Key", b"oken", b"OKEN", b"ecret", b"ECRET", b"assw", b"ASSW"),
    detail="This looks like a secret written into the source.",
    advice="If it is one, take it out, change it, and set it under the agent's variables.",
    suffixes=(
        *_CODE,
        ".json",
        ".yaml",
        ".yml",
        ".toml",
        ".ini",
        ".cfg",
        ".conf",
        ".env",
        ".properties",
    ),
    secret=True,
)
