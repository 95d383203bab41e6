"""Three network namespaces in a line, people, a censor and the world, with the rules of the censor as nftables writes them."""
import json
import shutil
import subprocess

from lab import Lab, Person, exchange, wait

PEOPLE, CENSOR, WORLD = "people", "censor", "world"
RELAYS = ["10.78.2.11", "10.78.2.12", "10.78.2.13"]

# The rules of a censor as nftables writes them. "reply" is what the relay sends, IP headers included.
RULES = {
    "plaintext": 'tcp dport 1-65535 @ih,0,128 0x132f6d756c746973747265616d2f312e counter reject with tcp reset',
    "quic": "udp dport 443 counter drop",
    "freeze": "tcp sport 443 ct reply bytes > 16384 counter drop",
    "handshakes": "tcp dport 443 ct state new tcp flags syn add @seen { ip saddr . ip daddr limit rate over 3/minute burst 3 packets } counter drop",
}


class World(Lab):
    """Three namespaces in a line, the middle one with the filter."""

    def __init__(self, programs):
        super().__init__(programs, "c", (PEOPLE, CENSOR, WORLD))
        self.join(PEOPLE, "a", "10.78.1.2/24", "10.78.1.1/24")
        self.join(WORLD, "b", "10.78.2.2/24", "10.78.2.1/24")
        for address in RELAYS:
            self.within(WORLD, "ip", "addr", "add", f"{address}/24", "dev", "b0")
        self.within(PEOPLE, "ip", "route", "add", "default", "via", "10.78.1.1")
        self.within(WORLD, "ip", "route", "add", "default", "via", "10.78.2.1")
        for key in ("net.ipv4.ip_forward", "net.netfilter.nf_conntrack_acct"):
            # The second key appears with the first use of connection tracking.
            self.filter([])
            self.within(CENSOR, "sysctl", "-qw", f"{key}=1")

    def join(self, place, name, inner, outer):
        self.ip("link", "add", f"{name}0", "netns", self.ns(place), "type", "veth",
                "peer", "name", f"{name}1", "netns", self.ns(CENSOR))
        for where, interface, address in ((place, f"{name}0", inner), (CENSOR, f"{name}1", outer)):
            self.within(where, "ip", "addr", "add", address, "dev", interface)
            self.within(where, "ip", "link", "set", interface, "up")
            if shutil.which("ethtool"):
                # Without this a "packet" of the filter is one of 64 KB.
                self.within(where, "ethtool", "-K", interface, "tso", "off", "gso", "off", "gro", "off",
                            stdout=subprocess.DEVNULL, check=False)

    def filter(self, rules, policy="accept"):
        """Replaces the censor's rules."""
        text = "add table inet censor\ndelete table inet censor\ntable inet censor {\n"
        text += "set seen { type ipv4_addr . ipv4_addr; flags dynamic; size 1024; timeout 120s; }\n"
        text += f"chain forw {{ type filter hook forward priority 0; policy {policy};\nct state invalid accept\n"
        text += "\n".join(rules) + "\n}\n}\n"
        self.within(CENSOR, "nft", "-f", "-", input=text.encode())

    def counters(self, unit="packets"):
        out = self.within(CENSOR, "nft", "-j", "list", "chain", "inet", "censor", "forw", stdout=subprocess.PIPE).stdout
        counts = []
        for entry in json.loads(out)["nftables"]:
            for part in entry.get("rule", {}).get("expr", []):
                if "counter" in part:
                    counts.append(part["counter"][unit])
        return counts

    def relay(self, number, flag="--listen-web", peers=()):
        """Starts a relay and returns its door."""
        words = [flag, f"{RELAYS[number]}:443", "--mesh-listen", f"{RELAYS[number]}:7444"]
        for peer in peers:
            words += ["--peer", peer]
        return self.run_relay(WORLD, f"r{number}", words)[1]

    def relays(self, flag="--listen-web"):
        doors = [self.relay(0, flag)]
        return doors + [self.relay(number, flag, doors[:1]) for number in (1, 2)]

    def capture(self, path):
        return self.tcpdump(PEOPLE, "a0", path)


def friends(world, doors):
    ali = Person(world, PEOPLE, "Ali", doors[:2])
    bob = Person(world, WORLD, "Bob", [doors[2], doors[1]])
    ali.meet(bob)
    # Meeting takes several connections, and where handshakes are counted each waits for its turn.
    ali.say("send", "Bob", "-", "--wait", "delivered", "--timeout", "150s", text="first")
    wait("the first text arrives", 90, lambda: bob.lines("contacts", "list") and "first" in bob.texts_of(bob.lines("contacts", "list")[0]["name"]))
    return ali, bob, bob.lines("contacts", "list")[0]["name"]


def talk(world, count, patience, tag=""):
    """So many texts of 500 bytes each way, and the seconds it took."""
    ali, bob, ali_name = world.friends
    return exchange((ali, bob), ("Bob", ali_name), count, patience, tag)
