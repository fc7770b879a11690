# aiortc offers each m-line a transport of its own, even in a BUNDLE group, and uses one of them when the answer
# bundles. A WHIP server wants what the offer says to be what is used. It also gives one number to two header
# extensions, of sound and of picture, which may be in two transports but not in one.
import re

TRANSPORT = r"(?m)^(?:a=(?:ice-ufrag|ice-pwd|fingerprint|candidate):.*|a=end-of-candidates)\r\n"
CLASHING = r"(?m)^a=extmap:\d+ (?!urn:ietf:params:rtp-hdrext:sdes:mid\r).*\r\n"


def bundled(offer):
    """The offer with the transport of the first m-line in all of them, and no header extension but the mid."""
    sections = re.split(r"(?m)^(?=m=)", re.sub(CLASHING, "", offer))
    first = "".join(re.findall(TRANSPORT, sections[1]))
    return "".join(sections[:2] + [re.sub(TRANSPORT, "", s) + first for s in sections[2:]])
