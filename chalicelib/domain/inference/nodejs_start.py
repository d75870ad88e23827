"""How a Node.js source is started: its start script made plain, its framework, or its main file."""

from __future__ import annotations

import re
import shlex
from typing import Any

from chalicelib.domain.inference.evidence import Source, as_dict, as_text
from chalicelib.domain.inference.frontends import config_text
from chalicelib.values import frozen

SERVER_PACKAGES = frozenset(
    {"express", "fastify", "koa", "@hapi/hapi", "hono", "@nestjs/core", "restify", "polka", "micro"}
    | {
        "@apollo/server",
        "apollo-server",
        "socket.io",
        "ws",
        "elysia",
        "probot",
        "@feathersjs/express",
    }
    | {"@slack/bolt", "@a2a-js/sdk", "json-server", "fastmcp", "h3", "connect", "@loopback/rest"}
)
_DEV_SERVER = re.compile(
    r"\bvite(\s+dev|\s+serve|\s+preview|\s+-|\s*$)|\bwebpack(-dev-server|\s+serve|.*--watch)"
    r"|react-scripts start|\bng (serve|s)\b|vue-cli-service serve|\bparcel\b(?!\s+build)"
    r"|eleventy\b.*--(serve|watch)|gatsby (develop|serve)|astro( dev| preview)|\bastro\s*$|next dev"
    r"|nux[it]+ (dev|preview)|remix (dev|vite:dev)|docusaurus (start|serve)|vitepress (dev|preview)"
    r"|browser-sync|hexo server|svelte-kit dev|snowpack dev|vinxi dev|rollup\b.*(-w\b|--watch)"
)
#: Only as the command itself: `webpack serve` and `ng serve` are something else.
_FILE_SERVER = re.compile(
    r"(?:^|&)\s*(?:[A-Z_]+=\S+ )*(?:(?:npx|bunx|pnpx|pnpm exec|yarn)(?: -y| --yes)? )?"
    r"(?:[\w./-]*/)?(?:serve|http-server|live-server|lite-server)(?:@[\w.]+)?(?=\s|$)"
    r"((?:\s+-[a-zA-Z-]+(?:[= ]\d+)?)*)(?:\s+([\w./-]+))?"
)
_MANY = re.compile(r"\b(turbo|lerna|nx|concurrently|npm-run-all|run-p|wsrun|rush)\b|pnpm -r\b")
_SIMPLE_NODE = re.compile(r"^((?:[A-Z_]+=\S+ )*)node( [^&|;<>`]+)$")
_LISTENS = re.compile(
    r"\.listen\s*\(|createServer\s*\(|\bserve\s*\(|Bun\.serve|export default \{?\s*(port|fetch)"
    r"|toNodeHandler|httpStream|startStandaloneServer\s*\("
)
_FIXED_PORT = re.compile(
    r"\.listen\(\s*(\d{2,5})\b|\bport\s*[:=]\s*(\d{2,5})\b(?!\s*\|\|)", re.IGNORECASE
)
_LOOPBACK = re.compile(r"\.listen\([^)]*['\"](127\.0\.0\.1|localhost)['\"]")
_STEMS = ("server", "index", "app", "main", "bot")
_FOLDERS = ("", "src/", "server/", "lib/", "api/")
_ENDINGS = (".js", ".mjs", ".cjs", ".ts", ".mts")
_BUILT = ("dist/", "build/", "lib/", "out/", ".output/", "output/", "bin/")


@frozen
class NodeEntry:
    """One way to start a Node.js source."""

    command: str
    why: str
    file: str | None = None
    build: str | None = None
    extra: tuple[str, ...] = ()
    listens: bool = True


def start_script(source: Source, package: dict[str, Any]) -> NodeEntry | None:
    """package.json's start, unless it is a development server, a file server or many at once."""
    scripts = as_dict(package.get("scripts"))
    text = as_text(scripts.get("start"))
    if not text or is_dev_server(text) or served_folder(text) is not None or _MANY.search(text):
        return None
    line = source.line_of("package.json", r'"start"\s*:')
    why = f"package.json line {line}" if line else "package.json"
    plain = re.sub(r"^(npm run build|yarn build|pnpm (run )?build|tsc)\s*&&\s*", "", text)
    built_at_start = plain != text and not scripts.get("build")
    plain = re.sub(r"^(npx )?(cross-env|dotenv(-cli)?( --)?) ", "", plain)
    plain = re.sub(r"^((?:[A-Z_]+=\S+ )*)(?:nodemon|node-dev|supervisor) (?!-)", r"\1node ", plain)
    plain = re.sub(r"^node --watch ", "node ", plain)
    plain = re.sub(r"^((?:npx )?tsx) watch ", r"\1 ", plain)
    build = text.partition("&&")[0].strip() if built_at_start else None
    if build == "tsc":
        build = "npx tsc"
    before = as_text(scripts.get("prestart"))
    if before:
        build = build or "npm run prestart"
    simple = _SIMPLE_NODE.match(plain)
    if simple is None or scripts.get("poststart"):
        command = "npm start" if plain == text else _through_npm(plain)
        return NodeEntry(command, why, _file_in(source, text), build, listens=True)
    file = _script_file(plain)
    return NodeEntry(plain, why, file, build, listens=True)


def framework(source: Source, package: dict[str, Any]) -> NodeEntry | None:
    """The server of a framework that needs no start script."""
    used = {**as_dict(package.get("devDependencies")), **as_dict(package.get("dependencies"))}
    if "next" in used:
        return NodeEntry("npx next start -H 0.0.0.0 -p $PORT", "Next.js", build="npx next build")
    if "nuxt" in used:
        return NodeEntry(
            "HOST=0.0.0.0 node .output/server/index.mjs", "Nuxt", build="npx nuxi build"
        )
    if "@sveltejs/adapter-node" in used:
        return NodeEntry("HOST=0.0.0.0 node build", "SvelteKit", build="npx vite build")
    if "@astrojs/node" in used:
        return NodeEntry(
            "HOST=0.0.0.0 node ./dist/server/entry.mjs", "Astro", build="npx astro build"
        )
    if "@remix-run/serve" in used:
        return NodeEntry(
            "npx remix-serve ./build/server/index.js", "Remix", build="npx remix vite:build"
        )
    if "@nestjs/core" in used and source.has("src/main.ts"):
        return NodeEntry("node dist/main.js", "NestJS", build="npx nest build")
    return None


def standalone(source: Source, package: dict[str, Any], build: str) -> NodeEntry | None:
    """Next.js with output: standalone, whose server is a file of its own."""
    used = {**as_dict(package.get("devDependencies")), **as_dict(package.get("dependencies"))}
    text = config_text(source, "next.config")
    if "next" not in used or not re.search(r"output\s*:\s*['\"]standalone['\"]", text):
        return None
    copy = (
        "mkdir -p .next/standalone/.next && cp -R .next/static .next/standalone/.next/ && "
        "if [ -d public ]; then cp -R public .next/standalone/; fi"
    )
    return NodeEntry(
        "HOSTNAME=0.0.0.0 node .next/standalone/server.js",
        "next.config output: standalone",
        build=f"{build} && {copy}",
    )


def main_files(source: Source, package: dict[str, Any], only: str | None = None) -> list[NodeEntry]:
    """Files that can be started: `main` if it listens, else the usual names."""
    if only is not None:
        return [_file_entry(source, only, package)]
    main = as_text(package.get("main")).removeprefix("./")
    if main and not main.endswith(_ENDINGS):
        main = next((main + end for end in _ENDINGS if source.has(main + end)), main)
    if source.has(main) and _LISTENS.search(source.text(main)):
        return [_file_entry(source, main, package)]
    found: list[str] = []
    for folder in _FOLDERS:
        names = [f"{folder}{stem}{end}" for stem in _STEMS for end in _ENDINGS]
        found = [name for name in names if source.has(name)]
        listening = [name for name in found if _LISTENS.search(source.text(name))]
        if listening:
            roots = [
                name
                for name in listening
                if not any(_requires(source, other, name) for other in listening if other != name)
            ]
            return [_file_entry(source, name, package) for name in roots or listening[:1]]
    fallback = main if source.has(main) else next(_usual(source), None)
    if fallback is None:
        return []
    entry = _file_entry(source, fallback, package)
    return [NodeEntry(entry.command, entry.why, entry.file, None, entry.extra, listens=False)]


def is_dev_server(script: str) -> bool:
    """Whether a script is for the machine of a developer."""
    return bool(_DEV_SERVER.search(script))


def served_folder(script: str) -> str | None:
    """The folder a script serves as files: `serve -s dist` is "dist"; None for other scripts."""
    match = _FILE_SERVER.search(script)
    if match is None or is_dev_server(script) or re.search(r"\bnode\b", script):
        return None
    folder = (match.group(2) or "").removeprefix("./").strip("/")
    return "" if folder == "." else folder


def serves_many(package: dict[str, Any]) -> bool:
    """Whether the start script is one of a workspace's orchestrators."""
    return bool(_MANY.search(as_text(as_dict(package.get("scripts")).get("start"))))


def fixed_port(text: str) -> int | None:
    """The port a file fixes, when it reads none from its environment."""
    if re.search(r"env(\.|\[['\"])[A-Z_]*PORT|\bPORT\b.*env\b", text):
        return None
    match = _FIXED_PORT.search(text)
    return int(match.group(1) or match.group(2)) if match else None


def loopback_line(text: str) -> int | None:
    """The line that listens where nothing outside can reach."""
    match = _LOOPBACK.search(text)
    return text.count("\n", 0, match.start()) + 1 if match else None


def missing_file(source: Source, entry: NodeEntry, *, builds: bool) -> str | None:
    """The file a start command names, when it is neither there nor made by the build."""
    file = entry.file
    if file is None or source.has(file) or source.has_folder(file) or builds:
        return None
    if any(source.has(file + end) or source.has(f"{file}/index{end}") for end in _ENDINGS):
        return None
    return None if file.startswith(_BUILT) and source.has("tsconfig.json") else file


def _through_npm(plain: str) -> str:
    return f'PATH="$PWD/node_modules/.bin:$PATH" {plain}'


def _usual(source: Source) -> Any:
    return (
        f"{folder}{stem}{end}"
        for folder in _FOLDERS
        for stem in _STEMS
        for end in _ENDINGS
        if source.has(f"{folder}{stem}{end}")
    )


def _file_entry(source: Source, file: str, package: dict[str, Any]) -> NodeEntry:
    line = source.line_of(file, _LISTENS.pattern)
    why = f"{file} line {line}" if line else file
    text = source.text(file)
    quoted = shlex.quote(file)
    if re.search(r"\bBun\.|['\"]bun(:|['\"])", text):
        return NodeEntry(f"npx bun {quoted}", why, file, extra=("bun",))
    if file.endswith((".ts", ".mts")):
        used = {**as_dict(package.get("devDependencies")), **as_dict(package.get("dependencies"))}
        extra = () if "tsx" in used else ("tsx",)
        return NodeEntry(f"npx tsx {quoted}", why, file, extra=extra)
    return NodeEntry(f"node {quoted}", why, file)


def _requires(source: Source, one: str, other: str) -> bool:
    stem = re.escape(re.sub(r"\.\w+$", "", other.rpartition("/")[2]))
    return bool(re.search(rf"['\"]\./{stem}(\.\w+)?['\"]", source.text(one)))


def _script_file(command: str) -> str | None:
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    words = words[words.index("node") + 1 :]
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("-r", "--require", "--import", "--loader") and words:
            words.pop(0)
    return words[0].removeprefix("./") if words and "$" not in words[0] else None


def _file_in(source: Source, script: str) -> str | None:
    names = re.findall(r"[\w./-]+\.[cm]?[jt]s\b", script)
    return next((n.removeprefix("./") for n in names if source.has(n.removeprefix("./"))), None)
