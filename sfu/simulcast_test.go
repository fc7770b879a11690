package sfu

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/transport/v2/packetio"
	"github.com/pion/webrtc/v3"
)

// encoding is one layer of a far simulcast caster: VP8 of so many bytes every 25 ms.
type encoding struct {
	rid           string
	width, height int
	bytes         int
	track         *webrtc.TrackLocalStaticRTP
	ssrc          uint32

	seq     uint16
	ts      uint32
	picture uint16

	// guarded by simulcaster.mu
	paused bool
	key    bool
	asked  int
}

// simulcaster is a far caster of one slot in three sizes, which sends until the test ends.
type simulcaster struct {
	*far

	mu     sync.Mutex
	layers []*encoding
}

// publishSimulcast starts a caster. Its layers go by the width of their pictures.
func publishSimulcast(t *testing.T, e *Engine, id string) *simulcaster {
	t.Helper()
	c := &simulcaster{}
	c.far = newSimulcastFar(t, c)
	// The highest first, as no browser does it: the order of the layers does not come from that of the rids.
	for i, l := range []*encoding{
		{rid: "h", width: 1280, height: 720, bytes: 1000},
		{rid: "l", width: 320, height: 180, bytes: 120},
		{rid: "m", width: 640, height: 360, bytes: 350},
	} {
		var err error
		l.track, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "s",
			webrtc.WithRTPStreamID(l.rid))
		if err != nil {
			t.Fatal(err)
		}
		l.seq, l.ts, l.key = uint16(65500+i), uint32(i)<<30, true
		c.layers = append(c.layers, l)
	}
	tr, err := c.pc.AddTransceiverFromTrack(c.layers[0].track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range c.layers[1:] {
		if err := tr.Sender().AddEncoding(l.track); err != nil {
			t.Fatal(err)
		}
	}
	offer, slots := c.offer("screen")
	answer, err := e.Publish(context.Background(), "c", id, offer, slots)
	if err != nil {
		t.Fatal(err)
	}
	c.answer(answer)
	c.mu.Lock()
	for i, p := range tr.Sender().GetParameters().Encodings {
		c.layers[i].ssrc = uint32(p.SSRC)
	}
	c.mu.Unlock()
	c.send(tr)
	return c
}

// newSimulcastFar is a far end that names its layers, and shows c the RTCP that it gets.
func newSimulcastFar(t *testing.T, c *simulcaster) *far {
	t.Helper()
	s := webrtc.SettingEngine{}
	s.SetIncludeLoopbackCandidate(true)
	s.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.BufferFactory = func(kind packetio.BufferPacketType, _ uint32) io.ReadWriteCloser {
		if kind == packetio.RTCPBufferPacket {
			return obedience{c: c}
		}
		return packetio.NewBuffer()
	}
	m := &webrtc.MediaEngine{}
	if err := m.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	if err := webrtc.ConfigureSimulcastExtensionHeaders(m); err != nil {
		t.Fatal(err)
	}
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(m),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{})).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	return &far{t: t, pc: pc}
}

// obedience makes the next picture of a layer a keyframe when that is asked for.
type obedience struct {
	io.ReadCloser // nobody reads
	c             *simulcaster
}

func (o obedience) Close() error { return nil }

func (o obedience) Write(b []byte) (int, error) {
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		return 0, err
	}
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	for _, p := range packets {
		for _, l := range o.c.layers {
			if pli, ok := p.(*rtcp.PictureLossIndication); ok && pli.MediaSSRC == l.ssrc {
				l.key = true
				l.asked++
			}
		}
	}
	return len(b), nil
}

// send sends pictures of all layers until the test ends.
func (c *simulcaster) send(tr *webrtc.RTPTransceiver) {
	stop, done := make(chan struct{}), make(chan struct{})
	c.t.Cleanup(func() { close(stop); <-done })
	var mid, rid uint8
	for _, e := range tr.Sender().GetParameters().HeaderExtensions {
		switch e.URI {
		case "urn:ietf:params:rtp-hdrext:sdes:mid":
			mid = uint8(e.ID)
		case "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id":
			rid = uint8(e.ID)
		}
	}
	wire := tr.Sender().Transport()
	go func() {
		defer close(done)
		tick := time.NewTicker(25 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if wire.State() != webrtc.DTLSTransportStateConnected {
				continue
			}
			c.mu.Lock()
			for _, l := range c.layers {
				l.picturePacket(tr.Mid(), mid, rid)
			}
			c.mu.Unlock()
		}
	}()
}

// picturePacket sends the next picture, one packet. Time goes on while the layer is paused.
func (l *encoding) picturePacket(mid string, midID, ridID uint8) {
	l.ts += 2250
	if l.paused {
		return
	}
	payload := make([]byte, l.bytes)
	copy(payload, []byte{0x90, 0x80, 0x80 | byte(l.picture>>8), byte(l.picture), 1, 0, 0, 0x9d, 0x01, 0x2a})
	payload[4] = 1
	if l.key {
		payload[4] = 0
	}
	payload[10], payload[11] = byte(l.width), byte(l.width>>8)
	payload[12], payload[13] = byte(l.height), byte(l.height>>8)
	p := &rtp.Packet{
		Header:  rtp.Header{Version: 2, SequenceNumber: l.seq, Timestamp: l.ts, Marker: true},
		Payload: payload,
	}
	_ = p.SetExtension(midID, []byte(mid))
	_ = p.SetExtension(ridID, []byte(l.rid))
	l.key = false
	l.seq++
	l.picture = (l.picture + 1) & 0x7fff
	_ = l.track.WriteRTP(p) // the connection may be closing
}

// pause stops or continues a layer.
func (c *simulcaster) pause(rid string, paused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.layers {
		if l.rid == rid {
			l.paused = paused
		}
	}
}

// keyframes makes the next picture of each layer one.
func (c *simulcaster) keyframes() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.layers {
		l.key = true
	}
}

func (c *simulcaster) asked(rid string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.layers {
		if l.rid == rid {
			return l.asked
		}
	}
	return 0
}

// eye is a far viewer that checks that what it sees is one stream.
type eye struct {
	*receiver
	last    *rtp.Packet
	picture uint16
}

// see takes one packet and returns the width of its layer. A change of layer must be a keyframe; numbers and
// timestamps must go on.
func (v *eye) see(width int) int {
	v.t.Helper()
	p := v.next()
	now := int(p.Payload[10]) | int(p.Payload[11])<<8
	picture := uint16(p.Payload[2]&0x7f)<<8 | uint16(p.Payload[3])
	if l := v.last; l != nil {
		if step := p.SequenceNumber - l.SequenceNumber; p.SSRC != l.SSRC || step < 1 || step > 4 {
			v.t.Fatalf("number %d after %d", p.SequenceNumber, l.SequenceNumber)
		}
		if int32(p.Timestamp-l.Timestamp) <= 0 {
			v.t.Fatalf("timestamp %d after %d", p.Timestamp, l.Timestamp)
		}
		if picture != (v.picture+1)&0x7fff {
			v.t.Fatalf("picture %d after %d", picture, v.picture)
		}
	}
	if key := p.Payload[4]&1 == 0; now != width && !key {
		v.t.Fatalf("from width %d to %d without a keyframe", width, now)
	}
	v.last, v.picture = p, picture
	return now
}

// until sees packets until a layer comes.
func (v *eye) until(want int, within time.Duration) {
	v.t.Helper()
	width := 0
	if v.last != nil {
		width = int(v.last.Payload[10]) | int(v.last.Payload[11])<<8
	}
	for deadline := time.Now().Add(within); ; {
		if width = v.see(width); width == want {
			return
		}
		if time.Now().After(deadline) {
			v.t.Fatalf("width %d after %v, want %d", width, within, want)
		}
	}
}

func TestSimulcastFollowsTheLayersThatAreSent(t *testing.T) {
	e, seen := newEngine(t)
	c := publishSimulcast(t, e, "caster")
	seen.connected(t, "caster")
	v := &eye{receiver: watch(t, e, "c", "v")}
	seen.connected(t, "v")
	v.until(1280, 10*time.Second)
	for range 10 {
		v.see(1280)
	}
	low, mid := c.asked("l"), c.asked("m") // what the viewer followed until the highest came
	for range 80 {
		v.see(1280)
	}
	if c.asked("l") != low || c.asked("m") != mid {
		t.Errorf("keyframes were asked of layers that nobody follows: %d and %d", c.asked("l")-low, c.asked("m")-mid)
	}
	c.pause("h", true) // as a browser does that has too little of something
	v.until(640, 5*time.Second)
	before := c.asked("h")
	c.pause("m", true)
	v.until(320, 5*time.Second)
	c.pause("m", false)
	c.pause("h", false)
	v.until(1280, 10*time.Second)
	if c.asked("h") == before {
		t.Error("the highest layer was entered without a keyframe of its own")
	}
}

func TestSimulcastFollowsTheViewersEstimate(t *testing.T) {
	e, seen := newEngine(t)
	publishSimulcast(t, e, "caster")
	seen.connected(t, "caster")
	narrow, wide := &eye{receiver: watch(t, e, "c", "narrow")}, &eye{receiver: watch(t, e, "c", "wide")}
	seen.connected(t, "narrow", "wide")
	narrow.until(1280, 10*time.Second)
	wide.until(1280, 10*time.Second)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
				_ = narrow.pc.WriteRTCP([]rtcp.Packet{&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 130_000, SSRCs: []uint32{1}}})
			}
		}
	}()
	defer func() { close(stop); <-done }()
	narrow.until(640, 15*time.Second)
	for range 40 {
		narrow.see(640)
	}
	for len(wide.packets) > 0 {
		wide.see(1280)
	}
	if now := wide.see(1280); now != 1280 {
		t.Errorf("the other viewer has width %d", now)
	}
}
