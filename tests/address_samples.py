"""Addresses and links with which others were led astray: what is nobody's on the internet, and how it may be written.

The ranges are those of IANA's registries for special purposes (IPv4, IPv6, multicast), as smokescreen's and AntiSSRF's
tests go through them; the links are theirs and those of WHATWG's URL standard, which more programs read than write.
"""

from __future__ import annotations

# By what they are for: the first and the last of each range, and what hides one of IPv4 in one of IPv6.
NOT_PUBLIC = {
    "this network": ("0.0.0.0", "0.0.0.1", "0.255.255.255"),
    "private": ("10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"),
    "shared by a provider's customers": ("100.64.0.0", "100.127.255.255"),
    "loopback": ("127.0.0.0", "127.0.0.1", "127.255.255.255", "::1"),
    "link-local, and what clouds say there": ("169.254.0.0", "169.254.169.254", "169.254.255.255", "fe80::", "febf::1"),
    "protocols": ("192.0.0.0", "192.0.0.8", "192.0.0.170", "192.0.0.255"),
    "documentation": ("192.0.2.0", "198.51.100.255", "203.0.113.7", "2001:db8::1", "3fff::1", "3fff:fff::1"),
    "measurements": ("198.18.0.0", "198.19.255.255", "2001:2::1"),
    "many at once": ("224.0.0.0", "239.255.255.255", "ff00::", "ff02::2", "ff0e::1"),
    "reserved, and everybody": ("240.0.0.0", "255.255.255.254", "255.255.255.255"),
    "unspecified": ("::",),
    "mapped": ("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::ffff:8.8.8.8"),
    "compatible": ("::127.0.0.1", "::7f00:1", "::8.8.8.8"),
    "NAT64": ("64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::808:808", "64:ff9b:1::1", "64:ff9b:1:ffff::1"),
    "6to4": ("2002::", "2002:7f00:1::1", "2002:a00:1::1", "2002:808:808::1"),
    "Teredo": ("2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    "of protocols": ("2001:1::1", "2001:10::1", "2001:20::1", "2001:1ff:ffff::1"),
    "thrown away": ("100::1", "100::ffff:ffff:ffff:ffff"),
    "segments": ("5f00::1",),
    "one link's, and no address at all": ("fe80::1%eth0", "localhost", "1", "nonsense", ""),
    "clouds' own and relays', among public ones": ("168.63.129.16", "192.88.99.1", "192.31.196.1", "192.52.193.1"),
    "a site's, private": ("fc00::", "fd00::1", "fdff:ffff::1", "fec0::1", "feff::1"),
}
# Their neighbours, and others that anybody may have.
PUBLIC = (
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *("128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0"),
    *("168.63.129.15", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
    *("2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450:4001::1", "2003::1"),
)

# Where files may be fetched from `*.sinch.com` and media.example.com, none of these leads there.
ELSEWHERE = (
    # another name
    *("https://sinch.com/f", "https://evil.example/f", "https://media.example.com.evil.example/f"),
    *("https://sinch.com.evil.example/f", "https://evilsinch.com/f", "https://x.sinch.com.evil.example/f"),
    *("https://other.example.com/f", "https://media.example.comx/f", "https://xmedia.example.com/f"),
    "https://media.example.com..evil.example/f",
    # a name that stands elsewhere than where a name stands
    *("https://media.example.com@evil.example/f", "https://x.sinch.com:secret@evil.example/f"),
    *("https://evil.example/https://media.example.com/f", "https://evil.example?media.example.com/f"),
    *("https://evil.example#media.example.com", "https://evil.example/#@media.example.com/f"),
    *("https://evil.example\\@media.example.com/f", "https://evil.example\\.sinch.com/f"),
    *("https:///media.example.com/f", "https:media.example.com/f", "https:/media.example.com/f"),
    *(
        "https://evil.example%2f.sinch.com/f",
        "https://evil.example%00.sinch.com/f",
        "https://evil.example%23.sinch.com/f",
    ),
    *(
        "https://evil.example:443#.sinch.com/f",
        "https://evil.example;.sinch.com/f",
        "https://evil.example,.sinch.com/f",
    ),
    *("https://evil.example\t.sinch.com/f", "https://evil.example\n.sinch.com/f", "https://evil.example .sinch.com/f"),
    # letters that become others
    *(
        "https://media\u3002example\u3002com.evil.example/f",
        "https://evil.example\uff0f.sinch.com/f",
        "https://evil.example\uff1f.sinch.com/f",
    ),
    *(
        "https://evil.c\u2101.sinch.com/f",
        "https://evil.example\uff20media.example.com/f",
        "https://\u24dcedia.example.com/f",
    ),
    *("https://x.s\u0131nch.com/f", "https://x.\u017finch.com/f", "https://x.sinch.com\u200b/f"),
    # an address, in any of its spellings
    *("https://127.0.0.1/f", "https://127.1/f", "https://2130706433/f", "https://0x7f000001/f", "https://0177.0.0.1/f"),
    *(
        "https://0x7f.0.0.1/f",
        "https://0/f",
        "https://0xA9.0xFE.0xA9.0xFE/latest/meta-data/",
        "https://169.254.169.254/f",
    ),
    *("https://[::1]/f", "https://[::]/f", "https://[::ffff:127.0.0.1]/f", "https://[::ffff:A9FE:A9FE]/f"),
    *("https://[fe80::1%25eth0]/f", "https://[64:ff9b::7f00:1]/f", "https://[2002:7f00:1::]/f", "https://[half/f"),
    *(
        "https://localhost/f",
        "https://localhost.localdomain/f",
        "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/f",
        "https://8.8.8.8/f",
    ),
    # another port, another scheme, a secret
    *("https://media.example.com:444/f", "https://media.example.com:22/f", "https://x.sinch.com:8443/f"),
    *("https://media.example.com:0/f", "https://media.example.com:65536/f", "https://media.example.com:x/f"),
    *("http://media.example.com/f", "http://x.sinch.com/f", "http://media.example.com:443/f"),
    *("ftp://media.example.com/f", "file:///etc/passwd", "gopher://media.example.com/f", "data:text/plain,x"),
    *("jar:https://media.example.com/f", "//media.example.com/f", "/f", "", "https://", "https:", "https://@/f"),
    *("https://user@media.example.com/f", "https://user:secret@x.sinch.com/f"),
)
# And these do.
THERE = (
    *("https://media.example.com/f", "https://MEDIA.Example.COM/f", "https://media.example.com:443/f"),
    *(
        "https://x.sinch.com/f?sig=a%2Fb&c=d",
        "https://a.b.sinch.com/f",
        "https://x.sinch.com",
        "https://x.sinch.com?a=b",
    ),
)
