"""The house in figures: lines of files, circles of files that use each other, public items of each crate and which of them nobody
outside uses. `python3 tests/bars/house.py [--circles] [--unused]`; Python alone, no build. Tests, benches and generated code are left out.

A file uses another one if it names something that is defined there, by a path from `crate`, `super` or `self`, or through a
re-export of a module above it. What a `mod.rs` hands on with `pub use` counts for the file that defines it."""

import collections
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINES_MEDIAN_MAX, LINES_MAX = 160, 500
CRATES = {
    "fruitnode_coordinator": "coordinator/src", "fruitnode_replica": "coordinator/replica/src", "fruitnode": "node/src",
    "fruitnode_consensus": "node/consensus/src", "fruitnode_env": "node/env/src", "fruitnode_mesh": "node/mesh/src",
    "fruitnode_pca": "node/pca/src", "fruitnode_result": "node/result/src", "fruitnode_storage": "node/storage/src",
    "fruitnode_vision": "node/vision/src", "fruitnode_chaos": "chaos/src",
}
ITEM = re.compile(r"^\s*(pub(?:\([a-z: ]+\))?\s+)?(?:async\s+|const\s+|unsafe\s+)*(fn|struct|enum|trait|type|const|static|mod|union)\s+([A-Za-z_]\w*)", re.M)


def without_tests(text):
    cut = re.search(r"^#\[cfg\(test\)\]\nmod tests \{", text, re.M)
    text = text[:cut.start()] if cut else text
    text = re.sub(r"//[^\n]*", "", text)
    return re.sub(r'"(?:\\.|[^"\\])*"', '""', text)


def is_test(path):
    return path.name in ("tests.rs",) or path.name.endswith("_tests.rs") or "tests" in path.parts


def module_of(path):
    parts = list(path.with_suffix("").parts)
    return tuple(parts[:-1] if parts[-1] in ("mod", "lib", "main") else parts)


def flat_use(tree, prefix=()):
    """Paths of a use tree, each with the name under which it is known."""
    tree = tree.strip()
    depth = 0
    parts, current = [], ""
    if tree.startswith("{"):
        inner = tree[1:-1]
        for letter in inner:
            depth += (letter == "{") - (letter == "}")
            if letter == "," and depth == 0:
                parts.append(current)
                current = ""
            else:
                current += letter
        for part in parts + [current]:
            if part.strip():
                yield from flat_use(part, prefix)
        return
    head, sep, rest = tree.partition("::")
    if sep:
        yield from flat_use(rest, prefix + (head.strip(),))
        return
    name, _, alias = (word.strip() for word in tree.partition(" as "))
    path = prefix if name == "self" else prefix + (name,)
    yield path, alias or path[-1]


class Crate:
    def __init__(self, name, folder):
        self.name, self.folder = name, ROOT / folder
        self.text, self.raw = {}, {}
        for path in sorted(self.folder.rglob("*.rs")):
            below = path.relative_to(self.folder)
            if not is_test(below):
                self.raw[below] = path.read_text()
                self.text[below] = without_tests(self.raw[below])
        self.at = {module_of(path): path for path in self.text if path.name != "main.rs"}
        self.items, self.exports = {}, {}
        for module, path in self.at.items():
            text = self.text[path]
            self.items[module] = {found[2]: bool(found[1]) for found in map(lambda m: m.groups() and (0, m.group(1), m.group(3)), ITEM.finditer(text))}
            self.exports[module] = {}
            for found in re.finditer(r"^pub(?:\([a-z]+\))? use ([^;]+);", text, re.M):
                for target, alias in flat_use(re.sub(r"\s+", " ", found.group(1))):
                    self.exports[module][alias] = target

    def resolve(self, module, path, seen=()):
        """The file that defines what a path names, or None."""
        path = list(path)
        here = list(module)
        if path and path[0] == "crate":
            here, path = [], path[1:]
        while path and path[0] in ("super", "self"):
            if path[0] == "super":
                here = here[:-1]
            path = path[1:]
        while path and tuple(here + [path[0]]) in self.at:
            here.append(path.pop(0))
        at = tuple(here)
        if at not in self.at:
            return None
        if path and path[0] in self.exports[at] and (at, path[0]) not in seen:
            target = self.exports[at][path[0]]
            if target[0] not in ("crate", "super", "self") and at + (target[0],) not in self.at:
                return None
            return self.resolve(at, target, seen + ((at, path[0]),)) or self.at[at]
        return self.at[at]

    def edges(self):
        edges = collections.defaultdict(lambda: collections.defaultdict(set))
        for module, path in self.at.items():
            text = self.text[path]
            known = {}
            body = re.sub(r"^\s*(pub(?:\([a-z]+\))? )?use [^;]+;", "", text, flags=re.M)
            # `pub(in crate::cli)` says who may see a thing, and uses nothing.
            body = re.sub(r"\bpub\(in [a-z_:]+\)", "pub", body)
            for found in re.finditer(r"^(\s*)(pub(?:\([a-z]+\))? )?use ([^;]+);", text, re.M):
                for target, alias in flat_use(re.sub(r"\s+", " ", found.group(3))):
                    first = target[0]
                    if first not in ("crate", "super", "self") and module + (first,) not in self.at:
                        continue
                    if found.group(2) and path.name in ("mod.rs", "lib.rs"):
                        continue
                    known[alias] = target
            for alias, target in known.items():
                # A module that is imported whole counts for what is taken from it.
                whole = self.resolve(module, target)
                tails = set(re.findall(rf"\b{re.escape(alias)}::([A-Za-z_]\w*)", body))
                is_module = whole is not None and module_of(whole)[-1:] == (target[-1],)
                for tail in (tails if is_module and tails else [None]):
                    to = self.resolve(module, target + ((tail,) if tail else ()))
                    if to and to != path:
                        edges[path][to].add(tail or alias)
            for found in re.finditer(r"\b((?:crate|super)(?:::[A-Za-z_]\w*)+)", body):
                to = self.resolve(module, tuple(found.group(1).split("::")))
                if to and to != path:
                    edges[path][to].add(found.group(1).split("::")[-1])
            # A module's own children, named by their first word.
            for child in {at[-1] for at in self.at if at[:-1] == module and at}:
                for tail in re.findall(rf"(?<![:\w]){child}::([A-Za-z_]\w*)", body):
                    to = self.resolve(module, (child, tail))
                    if to and to != path:
                        edges[path][to].add(tail)
        return edges


def circles(edges):
    """Strongly connected sets of more than one file (Tarjan 1972)."""
    index, low, stack, on, found, count = {}, {}, [], set(), [], 0
    nodes = set(edges) | {to for tos in edges.values() for to in tos}
    for root in sorted(nodes):
        if root in index:
            continue
        work = [(root, iter(sorted(edges.get(root, ()))))]
        index[root] = low[root] = (count := count + 1)
        stack.append(root)
        on.add(root)
        while work:
            node, tos = work[-1]
            for to in tos:
                if to not in index:
                    index[to] = low[to] = (count := count + 1)
                    stack.append(to)
                    on.add(to)
                    work.append((to, iter(sorted(edges.get(to, ())))))
                    break
                if to in on:
                    low[node] = min(low[node], index[to])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    part = []
                    while True:
                        part.append(stack.pop())
                        on.discard(part[-1])
                        if part[-1] == node:
                            break
                    if len(part) > 1:
                        found.append(sorted(part))
    return found


def main():
    crates = [Crate(name, folder) for name, folder in CRATES.items()]
    texts = {path.relative_to(ROOT): path.read_text() for top in ("coordinator", "node", "chaos", "tests", "proto")
             for path in (ROOT / top).rglob("*.rs") if "target" not in path.parts}
    total = 0
    lines = []
    print(f"{'crate':24}{'files':>6}{'lines':>8}{'median':>8}{'longest':>9}{'circles':>9}{'public':>8}{'unused':>8}")
    for crate in crates:
        mine = [text.count("\n") for text in crate.raw.values()]
        lines += mine
        edges = crate.edges()
        loops = circles(edges)
        total += len(loops)
        public = [(path, name) for module, path in crate.at.items() for name, is_public in
                  {m.group(3): (m.group(1) or "").strip() == "pub" for m in ITEM.finditer(crate.text[path])}.items() if is_public]
        top = crate.folder.relative_to(ROOT)
        outside = "\n".join(text for path, text in texts.items() if top not in path.parents)
        words = set(re.findall(r"\w+", outside))
        unused = [(path, name) for path, name in public if name not in words]
        print(f"{crate.name:24}{len(mine):6}{sum(mine):8}{statistics.median(mine):8.0f}{max(mine):9}{len(loops):9}{len(public):8}{len(unused):8}")
        if "--circles" in sys.argv:
            for loop in loops:
                print("   circle:", ", ".join(map(str, loop)))
                for one in loop:
                    for to in sorted(set(edges[one]) & set(loop)):
                        print(f"      {one} -> {to}: {', '.join(sorted(edges[one][to]))}")
        if "--unused" in sys.argv:
            for path, name in unused:
                print(f"   {path}: {name}")
    median, longest = statistics.median(lines), max(lines)
    print(f"median file {median:.0f} lines (<= {LINES_MEDIAN_MAX}), longest {longest} (<= {LINES_MAX}), circles {total} (0)")
    sys.exit(median > LINES_MEDIAN_MAX or longest > LINES_MAX or total > 0)


if __name__ == "__main__":
    main()
