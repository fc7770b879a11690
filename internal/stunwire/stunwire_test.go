package stunwire

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/stun"

	"castcode/internal/bytecase"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	p, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const transaction = "2112a442 000102030405060708090a0b"

// message builds a STUN message of type kind from attributes in hex.
func message(t testing.TB, kind uint16, attributes string) []byte {
	t.Helper()
	body := unhex(t, attributes)
	return append(unhex(t, fmt.Sprintf("%04x%04x%s", kind, len(body), transaction)), body...)
}

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		hex  string
		want Fault
	}{
		"empty":                               {"", Short},
		"nineteen bytes":                      {"00010000 2112a442 000102030405060708090a", Short},
		"plain binding":                       {"00010000" + transaction, OK},
		"other cookie":                        {"00010000 2112a443 000102030405060708090a0b", BadCookie},
		"top bits set":                        {"40010000" + transaction, BadCookie},
		"length too small":                    {"00010000" + transaction + "00060000", BadLength},
		"length too large":                    {"00010008" + transaction + "00060000", BadLength},
		"length wraps":                        {"0001ffec" + transaction, BadLength},
		"length not of four":                  {"00010002" + transaction + "0006", BadLength},
		"attribute runs over":                 {"00010004" + transaction + "0006ffff", BadAttributes},
		"padding missing":                     {"00010008" + transaction + "00060005 61626364", BadAttributes},
		"P1 in a Binding success":             {"01010004" + transaction + "00200000", BadAddress},
		"P1 Send indication":                  {"0016000c" + transaction + "00130004 00000000 00120000", BadAddress},
		"old mapped address":                  {"01010004" + transaction + "80200000", BadAddress},
		"IPv4 family, IPv6 size":              {"00160018" + transaction + "00120014 0001 1234" + strings.Repeat("00", 16), BadAddress},
		"IPv6 family, IPv4 size":              {"0016000c" + transaction + "00120008 0002 1234 01020304", BadAddress},
		"IPv4 peer":                           {"0016000c" + transaction + "00120008 0001 1234 01020304", OK},
		"IPv6 peer":                           {"00160018" + transaction + "00120014 0002 1234" + strings.Repeat("00", 16), OK},
		"short integrity":                     {"00010008" + transaction + "00080004 00000000", BadAttributeLength},
		"attribute after fingerprint":         {"0001000c" + transaction + "80280004 00000000 00060000", BadOrder},
		"fingerprint twice":                   {"00010010" + transaction + "80280004 00000000 80280004 00000000", BadOrder},
		"user name after message integrity":   {"0001001c" + transaction + "00080014" + strings.Repeat("00", 20) + "00060000", BadOrder},
		"fingerprint after message integrity": {"00010020" + transaction + "00080014" + strings.Repeat("00", 20) + "80280004 00000000", OK},
		"33 attributes":                       {"00010084" + transaction + strings.Repeat("c0570000", 33), BadAttributes},
		"32 attributes":                       {"00010080" + transaction + strings.Repeat("c0570000", 32), OK},
		"candidate with a value":              {"00010008" + transaction + "00250004 00000000", BadAttributeLength},
		"even port of four":                   {"00030008" + transaction + "00180004 80000000", BadAttributeLength},
		"even port":                           {"00030008" + transaction + "00180001 80000000", OK},
	} {
		if _, got := Parse(unhex(t, tc.hex)); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// TestP1Lengths walks the family of the message that kills the library: every wrong address length, in messages
// that fill allocations of 32, 48, 64 and 80 bytes.
func TestP1Lengths(t *testing.T) {
	for _, total := range []int{32, 48, 64, 80} {
		for length := range 24 {
			padded := (length + 3) &^ 3
			data := total - HeaderSize - attrHeaderSize - attrHeaderSize - padded
			if data < 0 {
				continue
			}
			body := fmt.Sprintf("0013%04x%s0012%04x%s", data, strings.Repeat("00", data), length,
				strings.Repeat("00", padded))
			p := message(t, SendIndication, body)
			if len(p) != total {
				t.Fatalf("built %d bytes, want %d", len(p), total)
			}
			if _, got := Parse(p); got != BadAddress {
				t.Errorf("%d bytes, address of %d: %v, want %v", total, length, got, BadAddress)
			}
		}
	}
}

func TestMethods(t *testing.T) {
	const user, signed = "00060003 613a6200", "00080014 0000000000000000000000000000000000000000"
	for name, tc := range map[string]struct {
		kind        uint16
		attributes  string
		media, turn Fault
	}{
		"check":             {BindingRequest, user + signed, OK, BadUsername},
		"unsigned check":    {BindingRequest, user, NotSigned, BadUsername},
		"plain binding":     {BindingRequest, "", BadUsername, OK},
		"unsigned success":  {BindingSuccess, "", NotSigned, BadMethod},
		"success":           {BindingSuccess, signed, OK, BadMethod},
		"binding error":     {0x0111, signed, BadMethod, BadMethod},
		"binding indicates": {0x0011, "", BadMethod, BadMethod},
		"allocate":          {AllocateRequest, "00190004 11000000", BadMethod, OK},
		"allocate TCP":      {AllocateRequest, "00190004 06000000", BadMethod, BadTransport},
		"connect":           {0x000A, "", BadMethod, BadMethod},
		"channel 0x4fff":    {ChannelBindRequest, "000c0004 4fff0000", BadMethod, OK},
		"channel 0x5000":    {ChannelBindRequest, "000c0004 50000000", BadMethod, OK},
		"data indication":   {DataIndication, "", BadMethod, BadMethod},
		"send indication":   {SendIndication, "", BadMethod, OK},
	} {
		m, fault := Parse(message(t, tc.kind, tc.attributes))
		if fault != OK {
			t.Errorf("%s: %v", name, fault)
		}
		if got := ForMedia(m); got != tc.media {
			t.Errorf("%s: media %v, want %v", name, got, tc.media)
		}
		if got := ForTURN(m); got != tc.turn {
			t.Errorf("%s: TURN %v, want %v", name, got, tc.turn)
		}
	}
}

func TestChannelData(t *testing.T) {
	for hex, want := range map[string]Fault{
		"400000":             Short,
		"40000000":           OK,
		"4000000400000000":   OK,
		"4000000300000000":   OK,
		"4000000500000000":   BadLength,
		"4000fffc0000000000": BadLength,
		"5000000400000000":   BadChannel,
	} {
		if got := CheckChannelData(unhex(t, hex)); got != want {
			t.Errorf("%s: %v, want %v", hex, got, want)
		}
	}
}

// TestFrameSize has the bytes of P9 and their neighbours: sizes that wrap around 16 bits.
func TestFrameSize(t *testing.T) {
	for length := range 0x10000 {
		header := []byte{0, 1, byte(length >> 8), byte(length), 0x21, 0x12, 0xa4, 0x42}
		n, fault := FrameSize(header)
		if good := length%4 == 0 && length+HeaderSize <= MaxFrame; good != (fault == OK) {
			t.Fatalf("STUN length %#x: %v", length, fault)
		} else if good && n != length+HeaderSize {
			t.Fatalf("STUN length %#x: frame of %d", length, n)
		}
		header = []byte{0x40, 0, byte(length >> 8), byte(length)}
		n, fault = FrameSize(header)
		if good := length <= maxPayload; good != (fault == OK) {
			t.Fatalf("channel length %#x: %v", length, fault)
		} else if good && (n < length+4 || n%4 != 0 || n > MaxFrame) {
			t.Fatalf("channel length %#x: frame of %d", length, n)
		}
	}
	if _, fault := FrameSize(unhex(t, "0001000000000000")); fault != BadCookie {
		t.Errorf("RFC 4571 frame: %v, want %v", fault, BadCookie)
	}
	if _, fault := FrameSize(unhex(t, "1603010200010001")); fault != BadChannel {
		t.Errorf("TLS: %v, want %v", fault, BadChannel)
	}
}

// TestAgainstLibrary builds messages with the library and expects the same answers.
func TestAgainstLibrary(t *testing.T) {
	key := stun.NewLongTermIntegrity("1700000000:peer", "example.org", "secret")
	built, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodChannelBind, stun.ClassRequest),
		stun.RawAttribute{Type: stun.AttrChannelNumber, Value: []byte{0x40, 1, 0, 0}},
		peer{stun.XORMappedAddress{IP: []byte{192, 0, 2, 7}, Port: 5004}},
		stun.NewUsername("1700000000:peer"), stun.NewRealm("example.org"), stun.NewNonce("abc"), key, stun.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	m, fault := Parse(built.Raw)
	if fault != OK {
		t.Fatal(fault)
	}
	if m.Type != ChannelBindRequest || string(m.Username) != "1700000000:peer" || string(m.Nonce) != "abc" ||
		m.Channel != 0x4001 || m.Peer != netip.MustParseAddrPort("192.0.2.7:5004") {
		t.Errorf("parsed %+v", m)
	}
	if !CheckIntegrity(built.Raw, m, key) {
		t.Error("good integrity refused")
	}
	if CheckIntegrity(built.Raw, m, key[1:]) {
		t.Error("integrity of another key accepted")
	}
	built.Raw[HeaderSize+5] ^= 1
	if CheckIntegrity(built.Raw, m, key) {
		t.Error("changed message accepted")
	}
}

type peer struct{ stun.XORMappedAddress }

func (p peer) AddTo(m *stun.Message) error { return p.AddToAs(m, stun.AttrXORPeerAddress) }

func TestNoAllocation(t *testing.T) {
	p := message(t, BindingRequest, "00060003 613a6200 00080014 0000000000000000000000000000000000000000")
	c := unhex(t, "4000000400000000")
	if n := testing.AllocsPerRun(100, func() {
		m, _ := Parse(p)
		_, _, _ = ForMedia(m), ForTURN(m), CheckChannelData(c)
	}); n != 0 {
		t.Errorf("%v allocations per message", n)
	}
}

func TestFaultNames(t *testing.T) {
	seen := map[string]bool{}
	for f := range Fault(Faults) {
		if name := f.String(); name == "" || name == "unknown" || seen[name] {
			t.Errorf("fault %d has the name %q", f, name)
		} else {
			seen[name] = true
		}
	}
}

// FuzzParse: what passes the guard must be safe for the library, address attributes above all.
func FuzzParse(f *testing.F) {
	for _, c := range bytecase.All() {
		f.Add(c.Bytes)
	}
	for _, seed := range []string{
		"0016000c" + transaction + "00130004 00000000 00120000",
		"01010004" + transaction + "00200000",
		"0001ffec" + transaction,
		"4000fffc0000000000",
		"00010004" + transaction + "0006ffff",
		"0016000c" + transaction + "00120008 0001 1234 01020304",
		"00010020" + transaction + "00080014" + strings.Repeat("00", 20) + "80280004 00000000",
	} {
		f.Add(unhex(f, seed))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if n, fault := FrameSize(p); fault == OK && (n < 4 || n > MaxFrame) {
			t.Fatalf("frame of %d bytes", n)
		}
		if CheckChannelData(p) == OK && int(binary.BigEndian.Uint16(p[2:4]))+4 > len(p) {
			t.Fatal("channel data runs over")
		}
		m, fault := Parse(p)
		if fault != OK {
			return
		}
		CheckIntegrity(p, m, []byte("key"))
		// Cut the capacity: the library copies like this, and P1 shows when the message fills the copy.
		decoded := &stun.Message{Raw: append(make([]byte, 0, len(p)), p...)}
		if err := decoded.Decode(); err != nil {
			t.Fatalf("passed the guard, but %v", err)
		}
		for _, a := range decoded.Attributes {
			var address stun.XORMappedAddress
			switch a.Type {
			case stun.AttrXORMappedAddress, stun.AttrXORPeerAddress, stun.AttrXORRelayedAddress:
				if err := address.GetFromAs(decoded, a.Type); err != nil {
					t.Fatalf("%v: %v", a.Type, err)
				}
			}
		}
		_ = stun.MessageIntegrity("key").Check(decoded)
		_ = stun.Fingerprint.Check(decoded)
	})
}
