"""Judges one message on standard input with dkimpy, asking the DNS server at 127.0.0.1:PORT. Prints a line a finding."""

import sys

import dkim
import dns.resolver

resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers = ["127.0.0.1"]
resolver.port = int(sys.argv[1])


def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    try:
        answer = resolver.resolve(name, "TXT", lifetime=timeout)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return None
    return b"".join(list(answer)[0].strings)


message = sys.stdin.buffer.read()
judge = dkim.DKIM(message)
count = sum(1 for name, _ in judge.headers if name.lower() == b"dkim-signature")
for index in range(count):
    judge = dkim.DKIM(message)
    try:
        good = judge.verify(idx=index, dnsfunc=txt)
    except dkim.DKIMException as error:
        good = False
        print("#", error)
    domain = (judge.domain or b"?").decode()
    print("dkim", domain, "pass" if good else "fail")
status, results, reason = dkim.arc_verify(message, dnsfunc=txt)
print("arc", (status or b"none").decode(), len(results or []), reason)
