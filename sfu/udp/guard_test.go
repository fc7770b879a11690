package udp

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"castcode/internal/bytecase"
	"castcode/internal/stunwire"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	p, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	transaction = "2112a442 000102030405060708090a0b"
	signature   = "00080014 0000000000000000000000000000000000000000"
	password    = "0123456789012345678901" // of the agents a and x
	allocate    = "00030008" + transaction + "00190004 11000000"
	tag         = "00000000000000000000"
	rtp         = "80600001 00000001 11223344" + tag
	rtcp        = "80c90001 11223344 80000001" + tag
	clientHello = "16feff 0000 000000000000 0004 01000000"
	serverHello = "16fefd 0000 000000000000 0004 02000000"
)

var check = signed("00010020" + transaction + "00060003 613a6200")

// signed adds MESSAGE-INTEGRITY to a message in hex, whose length is right for it already.
func signed(message string) string {
	p, err := hex.DecodeString(strings.ReplaceAll(message, " ", ""))
	if err != nil {
		panic(err)
	}
	sum := stunwire.Integrity(p, []byte(password))
	return message + "00080014" + hex.EncodeToString(sum[:])
}

var datagrams = map[string]struct {
	hex   string
	drop  drop
	fault stunwire.Fault
	kind  Kind
}{
	"check":                        {hex: check, kind: KindCheck},
	"unsigned check":               {"00010008" + transaction + "00060003 613a6200", dropSTUN, stunwire.NotSigned, KindCheck},
	"allocate":                     {hex: allocate, kind: kindTURN},
	"plain binding":                {hex: "00010000" + transaction, kind: kindTURN},
	"unsigned success":             {"01010000" + transaction, dropSTUN, stunwire.NotSigned, KindAnswer},
	"success":                      {hex: "01010018" + transaction + signature, kind: KindAnswer},
	"binding error":                {"01110018" + transaction + signature, dropSTUN, stunwire.BadMethod, 0},
	"P1 Send indication":           {"0016000c" + transaction + "00130004 00000000 00120000", dropSTUN, stunwire.BadAddress, 0},
	"P1 in a Binding success":      {"01010004" + transaction + "00200000", dropSTUN, stunwire.BadAddress, 0},
	"P9 length wraps":              {"0001ffec" + transaction, dropSTUN, stunwire.BadLength, 0},
	"P9 channel wraps":             {"4000fffc 0000000000", dropChannel, 0, 0},
	"attribute runs over":          {"00010004" + transaction + "0006ffff", dropSTUN, stunwire.BadAttributes, 0},
	"channel":                      {hex: "4001 0004 00000000", kind: kindChannel},
	"channel too high":             {"5000 0004 00000000", dropFirstByte, 0, 0},
	"rtp":                          {hex: rtp, kind: KindRTP},
	"rtcp":                         {hex: rtcp, kind: KindRTCP},
	"rtp with extension":           {hex: "90600001 00000001 11223344 bede0001 00000000" + tag, kind: KindRTP},
	"P5, before encryption":        {"a0600001 00000001 11223344 ff", dropRTP, 0, 0},
	"CSRC over the end":            {"8f600001 00000001 11223344", dropRTP, 0, 0},
	"extension over the end":       {"90600001 00000001 11223344 bede ffff", dropRTP, 0, 0},
	"extension header cut":         {"90600001 00000001 11223344 be", dropRTP, 0, 0},
	"extension leaves no tag":      {"90600001 00000001 11223344 bede0001 00000000 000000000000000000", dropRTP, 0, 0},
	"rtcp cut":                     {"80c90001 11223344 80000001 000000000000000000", dropRTCP, 0, 0},
	"rtcp first packet over":       {"80c90002 11223344 80000001" + tag, dropRTCP, 0, 0},
	"client hello":                 {hex: clientHello, kind: KindDTLS},
	"server hello":                 {hex: serverHello, kind: KindDTLS},
	"two records":                  {hex: clientHello + clientHello, kind: KindDTLS},
	"record runs over":             {"16feff 0000 000000000000 0005 01000000", dropDTLS, 0, 0},
	"record of nothing":            {"16feff 0000 000000000000 0000", dropDTLS, 0, 0},
	"second record cut":            {clientHello + "16feff", dropDTLS, 0, 0},
	"TLS":                          {"160301 0000 000000000000 0004 01000000", dropDTLS, 0, 0},
	"heartbeat":                    {"18feff 0000 000000000000 0004 01000000", dropDTLS, 0, 0},
	"DTLS 1.3 header":              {"2f000000000000000000000000000000", dropDTLS, 0, 0},
	"empty":                        {"", dropSize, 0, 0},
	"three bytes":                  {"000100", dropSize, 0, 0},
	"QUIC":                         {"c3000000 01 08 0000", dropFirstByte, 0, 0},
	"reserved":                     {"04000000 00000000", dropFirstByte, 0, 0},
	"longer than a datagram is":    {"8060" + strings.Repeat("00", stunwire.MaxDatagram-1), dropSize, 0, 0},
	"as long as a datagram may be": {hex: "8060" + strings.Repeat("00", stunwire.MaxDatagram-2), kind: KindRTP},
}

func TestInspect(t *testing.T) {
	for name, tc := range datagrams {
		v := inspect(unhex(t, tc.hex))
		if v.drop != tc.drop || v.fault != tc.fault {
			t.Errorf("%s: drop %q fault %v, want %q %v", name, dropNames[v.drop], v.fault, dropNames[tc.drop], tc.fault)
		}
		if v.drop == passed && v.kind != tc.kind {
			t.Errorf("%s: kind %d, want %d", name, v.kind, tc.kind)
		}
	}
	if v := inspect(unhex(t, rtp)); v.ssrc != 0x11223344 {
		t.Errorf("SSRC of RTP %#x", v.ssrc)
	}
	if v := inspect(unhex(t, rtcp)); v.ssrc != 0x11223344 {
		t.Errorf("sender SSRC of RTCP %#x", v.ssrc)
	}
	if v := inspect(unhex(t, clientHello+clientHello)); v.handshake != 34 {
		t.Errorf("handshake bytes %d, want 34", v.handshake)
	}
}

// TestByteCases: no case of the table passes, and each is counted under its name.
func TestByteCases(t *testing.T) {
	for _, c := range bytecase.All() {
		v := inspect(c.Bytes)
		got := dropNames[v.drop]
		if v.drop == dropSTUN {
			got = "stun_" + v.fault.String()
		}
		if v.drop == passed || got != c.Drop {
			t.Errorf("%s: %q, want %q", c.Name, got, c.Drop)
		}
	}
}

func TestInspectAllocatesNothing(t *testing.T) {
	var all [][]byte
	for _, tc := range datagrams {
		all = append(all, unhex(t, tc.hex))
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, p := range all {
			inspect(p)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDropNames(t *testing.T) {
	seen := map[string]bool{}
	for i, name := range dropNames {
		if seen[name] || name == "" && drop(i) != passed {
			t.Errorf("drop %d has the name %q", i, name)
		}
		seen[name] = true
	}
}

func FuzzInspect(f *testing.F) {
	for _, tc := range datagrams {
		f.Add(unhex(f, tc.hex))
	}
	for _, c := range bytecase.All() {
		f.Add(c.Bytes)
	}
	a := newAgents()
	a.expect("a", password, nil)
	f.Fuzz(func(t *testing.T, p []byte) {
		v := inspect(p)
		if v.drop != passed {
			return
		}
		if v.kind == KindCheck {
			a.admit(p, RouteTo(alice), v, time.Unix(1000, 0))
		}
		media := p[0] <= 3 && (v.kind == KindCheck || v.kind == KindAnswer) || p[0] >= 20 && p[0] <= 63 && v.kind == KindDTLS ||
			p[0] >= 128 && (v.kind == KindRTP || v.kind == KindRTCP)
		turn := p[0] <= 3 && v.kind == kindTURN || p[0] >= 64 && p[0] <= 79 && v.kind == kindChannel
		if media == turn || v.kind.forTURN() != turn {
			t.Fatalf("first byte %d became kind %d", p[0], v.kind)
		}
		if v.handshake > len(p) {
			t.Fatalf("%d bytes of handshake in %d", v.handshake, len(p))
		}
	})
}
