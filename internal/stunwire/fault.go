package stunwire

// Fault is the reason why a message is refused. Its name is stable: it labels a counter.
type Fault uint8

// The reasons, and OK for none.
const (
	OK                 Fault = iota
	Short                    // less than a header
	BadCookie                // not STUN
	BadLength                // the length is not that of the bytes, or too much
	BadAttributes            // attributes run over the end, or more than 32
	BadAttributeLength       // an attribute of known size has another
	BadAddress               // an address that is not 8 bytes of IPv4 or 20 of IPv6
	BadOrder                 // attributes after MESSAGE-INTEGRITY or FINGERPRINT
	BadMethod                // a method or class that has no business here
	BadUsername              // USERNAME missing, or present where it must not be
	NotSigned                // MESSAGE-INTEGRITY missing
	BadTransport             // a relay over something else than UDP
	BadChannel               // channel number outside 0x4000-0x4FFF

	// Faults is the number of values, for arrays of counters.
	Faults = iota
)

var faultNames = [Faults]string{
	"ok", "short", "cookie", "length", "attributes", "attribute_length", "address", "order", "method", "username",
	"unsigned", "transport", "channel",
}

func (f Fault) String() string {
	if int(f) < len(faultNames) {
		return faultNames[f]
	}
	return "unknown"
}
