"""What the drivers here share: namespaces, programs started in them, people asked by their command line, and waiting."""
import json
import os
import shutil
import subprocess
import tempfile
import time


def demand(holds, what):
    """Ends the driver if what must hold does not."""
    if not holds:
        raise SystemExit(f"failed: {what}")


def wait(what, seconds, check, pause=0.5):
    """Asks until there is an answer, and returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(pause)
    raise SystemExit(f"failed: {what} within {seconds} s")


def report(**found):
    """One line of figures."""
    print(json.dumps(found), flush=True)


def within_bar(options, seconds, bar):
    """Whether a time keeps its bar. One that does not ends the driver only if it was asked for bars: a busy machine is no fault of the programs."""
    options.missed += seconds > bar
    return seconds <= bar


class Lab:
    """A folder, the programs that run in it, and network namespaces for those who need them; `close` takes all of it away."""

    def __init__(self, programs, letter, places=()):
        self.programs = os.path.abspath(programs)
        self.tag = f"k{letter}{os.getpid() % 100000}"
        self.dir = tempfile.mkdtemp(prefix=f"kv{letter}")
        self.children, self.places = [], places
        for name in ("run", "home"):
            os.makedirs(f"{self.dir}/{name}", mode=0o700)
        for place in places:
            self.ip("netns", "add", self.ns(place))
            self.within(place, "ip", "link", "set", "lo", "up")

    def ns(self, place):
        return f"{self.tag}{place[0]}"

    def ip(self, *words):
        subprocess.run(["ip", *words], check=True)

    def into(self, place, words):
        """The words of a command, run in a namespace."""
        return ["ip", "netns", "exec", self.ns(place), *words] if place else list(words)

    def within(self, place, *words, check=True, **options):
        return subprocess.run(self.into(place, words), check=check, **options)

    def environment(self):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("XDG_") and (not name.startswith("KARVON_") or name == "KARVON_LOG")}
        return kept | {"HOME": f"{self.dir}/home", "XDG_RUNTIME_DIR": f"{self.dir}/run", "LC_ALL": "C.UTF-8"}

    def start(self, place, words, env=None, **options):
        child = subprocess.Popen(self.into(place, words), env=env or self.environment(), **options)
        self.children.append(child)
        return child

    def run_relay(self, place, name, words):
        """Starts a relay and returns its process and its door."""
        words = [f"{self.programs}/karvon-node", "relay", "run", "--data-dir", f"{self.dir}/{name}", "--allow-private", *words]
        with open(f"{self.dir}/{name}.log", "ab") as log:
            child = self.start(place, words, stdout=subprocess.PIPE, stderr=log)
        line = child.stdout.readline()
        if not line:
            with open(f"{self.dir}/{name}.log", encoding="utf-8") as log:
                raise SystemExit(f"{name} did not start:\n" + log.read())
        return child, json.loads(line)["door"]

    def tcpdump(self, place, interface, path):
        child = self.start(place, ["tcpdump", "-i", interface, "-s0", "-U", "-w", path, "-Z", "root"], stderr=subprocess.PIPE)
        child.stderr.readline()
        time.sleep(0.5)
        return child

    def traffic(self, place, interface):
        """Bytes of IP that an interface has carried so far, both ways: without the 14 of each frame's Ethernet header."""
        text = self.within(place, "ip", "-j", "-s", "link", "show", interface, stdout=subprocess.PIPE).stdout
        stats = json.loads(text)[0]["stats64"]
        return sum(stats[way]["bytes"] - 14 * stats[way]["packets"] for way in ("rx", "tx"))

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.terminate()
        for child in self.children:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for place in self.places:
            subprocess.run(["ip", "netns", "del", self.ns(place)], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


class Person:
    """A node, in a namespace or not, asked by its command line."""

    # Where the commands' words for people go: None is where this driver's go.
    stderr = None

    def __init__(self, lab, place, name, doors):
        self.lab, self.place, self.name = lab, place, name
        self.data = f"{lab.dir}/{name}"
        self.node = None
        self.begin(doors)
        self.up()

    def begin(self, doors):
        """Makes the person's profile."""
        words = ["init", "--name", self.name, "--no-lock"]
        for door in doors:
            words += ["--door", door]
        self.say(*words)

    def launch(self):
        """Starts the node and does not wait for it."""
        words = [f"{self.lab.programs}/karvon", "--data-dir", self.data, "--json", "node"]
        with open(f"{self.data}.log", "ab") as log:
            self.node = self.lab.start(self.place, words, stdout=subprocess.DEVNULL, stderr=log)

    def up(self):
        self.launch()
        wait(f"{self.name}'s node serves", 30, self.serves, 0.2)

    def serves(self):
        """Looks at the file that tells commands where the node is: a command that finds none would run a node of its own meanwhile."""
        try:
            with open(f"{self.data}/node.json", encoding="utf-8") as file:
                return json.load(file)["pid"] == self.node.pid
        except (OSError, ValueError):
            return False

    def command(self, *words, text="", timeout=600, env=None, stderr=None):
        """One command, and all that is to know of how it ended."""
        words = self.lab.into(self.place, [f"{self.lab.programs}/karvon", "--data-dir", self.data, *words])
        return subprocess.run(words, input=text.encode(), stdout=subprocess.PIPE, stderr=stderr or self.stderr,
                              env=self.lab.environment() | (env or {}), timeout=timeout, check=False)

    def say(self, *words, **options):
        return self.command(*words, **options).stdout.decode()

    def lines(self, *words, **options):
        return [json.loads(line) for line in self.say(*words, "--json", **options).splitlines() if line.strip()]

    def meet(self, other):
        self.say("add", "--stdin", "--name", other.name, text=other.say("invite", "--text"))

    def texts_of(self, name):
        return [line["text"] for line in self.lines("read", name) if not line["mine"]]

    def batch(self, name, texts):
        self.say("send", name, "--batch", "--wait", "queued", text="\n".join(texts) + "\n")

    def online(self):
        return self.lines("status")[0]["state"] == "online"

    def down(self):
        self.say("down")
        self.node.wait(30)


def exchange(people, names, count, patience, tag="", size=490):
    """So many texts each way; returns the seconds it took, after checking that each is shown once and in order.

    `names` says what each of the two calls the other.
    """
    sent = [[f"{tag}{side} {number:03} " + "x" * size for number in range(count)] for side in "ab"]
    started = time.monotonic()
    for person, name, texts in zip(people, names, sent):
        person.batch(name, texts)

    def arrived(person, name, side, texts):
        shown = [text for text in person.texts_of(name) if text.startswith(f"{tag}{side} ")]
        demand(shown == texts[:len(shown)], f"{person.name} is shown each text once and in order")
        return len(shown) == count

    for reader, name, side, texts in ((people[1], names[1], "a", sent[0]), (people[0], names[0], "b", sent[1])):
        wait(f"{count} texts reach {reader.name} {tag}", patience, lambda: arrived(reader, name, side, texts))
    return round(time.monotonic() - started, 1)
