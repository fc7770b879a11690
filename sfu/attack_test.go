package sfu

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/stun"
	"github.com/pion/webrtc/v3"

	"castcode/internal/bytecase"
	"castcode/sfu/transport"
)

// rawSender is a far caster on a socket that the test may send from, too.
type rawSender struct {
	*sender
	from *wire
	to   net.Addr
}

func publishRaw(t *testing.T, e *Engine, cast, id string) *rawSender {
	t.Helper()
	w := newWire(t, nil, loopback, 1)
	return &rawSender{publishFrom(newFarOn(t, w, nil), e, cast, id), w, e.socket.LocalAddr()}
}

func (s *rawSender) raw(p []byte) {
	s.t.Helper()
	if _, err := s.from.WriteTo(p, s.to); err != nil {
		s.t.Fatal(err)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// stays fails unless what the caster of a cast sends still reaches v.
func (s *sender) stays(v *receiver, seq uint16) {
	s.t.Helper()
	s.send(seq, uint32(seq)*3000, true)
	for {
		if p := v.next(); len(p.Payload) == 4 && p.Payload[2] == byte(seq>>8) && p.Payload[3] == byte(seq) {
			return
		}
	}
}

// TestCasterThatInventsSources is P2: a caster that sends 100,000 packets, RTP or RTCP, each of another SSRC, costs less
// than a megabyte and is closed; the cast beside it does not notice.
func TestCasterThatInventsSources(t *testing.T) {
	for name, packet := range map[string][]byte{
		"SRTP":  append([]byte{0x80, 0x60}, make([]byte, 50)...),
		"SRTCP": append([]byte{0x80, 0xC8, 0, 1}, make([]byte, 48)...),
	} {
		t.Run(name, func(t *testing.T) {
			e, seen := newEngine(t)
			bystander := publish(t, e, "other", "bystander")
			v := watch(t, e, "other", "v")
			s := publishRaw(t, e, "c", "attacker")
			seen.connected(t, "attacker", "bystander", "v")
			s.send(1, 1, true)
			bystander.stays(v, 1)
			at := 8
			if name == "SRTCP" {
				at = 4
			}
			before := heap()
			for range 100_000 {
				binary.BigEndian.PutUint32(packet[at:], rand.Uint32())
				s.raw(packet)
			}
			eventually(t, "closed", func() bool { return seen.peer("attacker") == "failed" && e.Snapshot().Live == 1 })
			after := heap()
			t.Logf("heap %d -> %d kB", before>>10, after>>10)
			if after > before+1<<20 {
				t.Errorf("the heap grew by %d bytes", after-before)
			}
			if n := e.socket.Counts(); n.GivenUp != 1 || n.Dropped["ssrc_limit"] < 100 {
				t.Errorf("given up %d, dropped %v", n.GivenUp, n.Dropped["ssrc_limit"])
			}
			bystander.stays(v, 2)
		})
	}
}

// TestPaddingOfACaster is P5: padding is inside what is encrypted, so the guard cannot see it. A count that is too large,
// or 0, is dropped after decryption.
func TestPaddingOfACaster(t *testing.T) {
	e, seen := newEngine(t)
	s := publish(t, e, "c", "caster")
	v := watch(t, e, "c", "v")
	seen.connected(t, "caster", "v")
	s.stays(v, 1)
	seq := uint16(2)
	for _, last := range []byte{0, 2, 5, 100, 255} {
		for _, payload := range [][]byte{{last}, {1, 2, 3, last}} {
			if err := s.track.WriteRTP(&rtp.Packet{
				Header: rtp.Header{Version: 2, Padding: true, SequenceNumber: seq, Timestamp: 1}, Payload: payload,
			}); err != nil {
				t.Fatal(err)
			}
			seq++
		}
	}
	s.stays(v, seq)
	if n := e.Snapshot(); n.Faults != 0 || n.Live != 1 {
		t.Errorf("snapshot %+v", n)
	}
}

// TestByteCasesOfACaster sends the table from the address of a connected caster, and of a connected viewer: each is
// counted under its name, and picture goes on.
func TestByteCasesOfACaster(t *testing.T) {
	e, seen := newEngine(t)
	s := publishRaw(t, e, "c", "caster")
	v := watch(t, e, "c", "v")
	seen.connected(t, "caster", "v")
	s.stays(v, 1)
	for _, c := range bytecase.All() {
		before := e.socket.Counts().Dropped[c.Drop]
		s.raw(c.Bytes)
		eventually(t, c.Name, func() bool { return e.socket.Counts().Dropped[c.Drop] > before })
	}
	s.stays(v, 2)
}

// TestCandidatesAreNotContacted: whatever addresses a peer names, no packet goes there.
func TestCandidatesAreNotContacted(t *testing.T) {
	e, _ := newEngine(t)
	victim, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer victim.Close()
	candidate := fmt.Sprintf("a=candidate:1 1 udp 2130706431 127.0.0.1 %d typ host\r\n"+
		"a=candidate:2 1 udp 2130706175 169.254.169.254 80 typ host\r\n", victim.LocalAddr().(*net.UDPAddr).Port)
	with := func(offer string) string {
		return regexp.MustCompile(`a=ice-ufrag:[^\r]*\r\n`).ReplaceAllStringFunc(offer, func(line string) string { return line + candidate })
	}
	caster := newFar(t)
	publishOffer(t, caster)
	offer, slots := caster.offer("screen")
	if _, err := e.Publish(context.Background(), "c", "caster", with(offer), slots); err != nil {
		t.Fatal(err)
	}
	viewer := newFar(t)
	if _, err := viewer.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		t.Fatal(err)
	}
	offer, slots = viewer.offer("screen")
	if _, err := e.Watch(context.Background(), "c", "viewer", with(offer), slots); err != nil {
		t.Fatal(err)
	}
	if err := victim.SetReadDeadline(time.Now().Add(1500 * time.Millisecond)); err != nil { // checks come every 200 ms
		t.Fatal(err)
	}
	p := make([]byte, 1500)
	if n, from, err := victim.ReadFrom(p); err == nil {
		t.Errorf("%d bytes from %v: % x", n, from, p[:min(n, 20)])
	}
	if n := e.socket.Counts(); n.Sent != 0 || n.SendErrors != 0 {
		t.Errorf("%d datagrams were sent, %d could not be", n.Sent, n.SendErrors)
	}
}

// TestHalfOpenCasters: so many casters may be on their way up, one more is told to come again, and those who go make
// room.
func TestHalfOpenCasters(t *testing.T) {
	e, seen := newEngine(t)
	e.rising = newRising(2)
	offers := func() (string, map[string]string) {
		f := newFar(t)
		publishOffer(t, f)
		return f.offer("screen")
	}
	for _, id := range []string{"a", "b"} {
		offer, slots := offers()
		if _, err := e.Publish(context.Background(), id, id, offer, slots); err != nil {
			t.Fatal(err)
		}
	}
	offer, slots := offers()
	if _, err := e.Publish(context.Background(), "c", "c", offer, slots); !errors.Is(err, transport.ErrBusy) {
		t.Fatalf("one too many: %v", err)
	}
	e.Leave("a")
	publish(t, e, "d", "d")
	seen.connected(t, "d") // and has given its place back
	offer, slots = offers()
	if _, err := e.Publish(context.Background(), "e", "e", offer, slots); err != nil {
		t.Errorf("after one was connected: %v", err)
	}
	if n := len(e.rising.slots); n != 2 {
		t.Errorf("%d places are taken, want 2", n)
	}
}

// TestHalfOpenHandshakes is P7 through the engine: casters and viewers that never finish their ClientHello hold no more
// than the guard lets through, and are closed.
func TestHalfOpenHandshakes(t *testing.T) {
	e, seen := newEngine(t)
	bystander := publish(t, e, "other", "bystander")
	v := watch(t, e, "other", "v")
	seen.connected(t, "bystander", "v")
	bystander.stays(v, 1)
	before := heap()
	const each = 10
	for i := range each {
		halfHello(t, e, i)
	}
	eventually(t, "handshakes are cut off", func() bool {
		return e.socket.Counts().Dropped["handshake_limit"] > each*20
	})
	after := heap()
	t.Logf("heap %d -> %d kB for %d casters", before>>10, after>>10, each)
	if after > before+each*(512<<10) { // a quarter of what the library would hold
		t.Errorf("the heap grew by %d bytes for %d half-open casters", after-before, each)
	}
	bystander.stays(v, 2)
}

// halfHello is a caster that passes its checks and then sends fragments of a ClientHello that is never whole.
func halfHello(t *testing.T, e *Engine, i int) {
	t.Helper()
	f := newFar(t)
	publishOffer(t, f)
	offer, slots := f.offer("screen")
	id := string(rune('A' + i))
	answer, err := e.Publish(context.Background(), id, id, offer, slots)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUDP("udp4", nil, e.socket.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	check, err := stun.Build(stun.TransactionID, stun.BindingRequest,
		stun.NewUsername(sdpValue(answer, "ice-ufrag")+":"+sdpValue(offer, "ice-ufrag")),
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: make([]byte, 8)},
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{1, 2, 3, 4}}, stun.RawAttribute{Type: stun.AttrUseCandidate},
		stun.NewShortTermIntegrity(sdpValue(answer, "ice-pwd")), stun.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the check is answered", func() bool {
		if _, err := conn.Write(check.Raw); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(make([]byte, 1500))
		return err == nil && n > 0
	})
	for message := range uint16(200) {
		if _, err := conn.Write(helloPiece(message)); err != nil {
			t.Fatal(err)
		}
	}
}

// helloPiece is 1,200 bytes of a ClientHello of 65,536, which is never whole.
func helloPiece(message uint16) []byte {
	const n = 1200 - 25
	p := make([]byte, 25+n)
	copy(p, []byte{22, 0xFE, 0xFD})
	binary.BigEndian.PutUint16(p[9:], message) // the record's number: the library knows repeats
	binary.BigEndian.PutUint16(p[11:], 12+n)
	copy(p[13:], []byte{1, 1, 0, 0})
	binary.BigEndian.PutUint16(p[17:], message)
	p[23], p[24] = byte(n>>8), byte(n&0xff)
	return p
}
