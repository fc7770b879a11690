package sfu

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
	"go.uber.org/goleak"

	"castcode/sfu/udp"
)

// The far ends of these tests are real pion PeerConnections over loopback sockets.

// events records what the engine tells the signal plane.
type events struct {
	mu    sync.Mutex
	live  map[string]bool
	slots map[string]map[string]string
	peers map[string]string
}

func (r *events) CastChanged(cast string, live bool, slots map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live[cast], r.slots[cast] = live, slots
}

func (r *events) PeerChanged(peer, state string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peers[peer] = state
}

func (r *events) peer(id string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peers[id]
}

func (r *events) isLive(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.live[id]
}

// newEngine starts an engine on a loopback socket; at the end of the test it must leave no goroutine behind.
func newEngine(t *testing.T) (*Engine, *events) {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	socket, err := udp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return engineOn(t, socket)
}

// engineOn starts an engine on a socket and closes both.
func engineOn(t *testing.T, socket *udp.Socket) (*Engine, *events) {
	t.Helper()
	return engineWith(t, socket, nil)
}

// engineWith is engineOn with ICE-TCP on streams.
func engineWith(t *testing.T, socket *udp.Socket, streams net.Listener) (*Engine, *events) {
	t.Helper()
	t.Cleanup(func() { _ = socket.Close() })
	address := socket.LocalAddr().AddrPort()
	seen := &events{live: map[string]bool{}, slots: map[string]map[string]string{}, peers: map[string]string{}}
	e, err := New(Config{
		Socket: socket, Streams: streams, Events: seen, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Addresses: func() []netip.AddrPort { return []netip.AddrPort{address} },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e, seen
}

// far is the client's end of a connection.
type far struct {
	t  *testing.T
	pc *webrtc.PeerConnection
}

func newFar(t *testing.T) *far {
	t.Helper()
	s := webrtc.SettingEngine{}
	s.SetIncludeLoopbackCandidate(true)
	s.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.DisableSRTPReplayProtection(true) // a resend must be seen even where nothing was lost
	m := &webrtc.MediaEngine{}
	if err := m.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(m)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	f := &far{t: t, pc: pc}
	t.Cleanup(func() { _ = pc.Close() })
	return f
}

// offer makes the only offer, and its slots in the order in which the transceivers were added.
func (f *far) offer(slots ...string) (string, map[string]string) {
	f.t.Helper()
	offer, err := f.pc.CreateOffer(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.pc.SetLocalDescription(offer); err != nil {
		f.t.Fatal(err)
	}
	byMid := map[string]string{}
	for i, t := range f.pc.GetTransceivers() {
		byMid[t.Mid()] = slots[i]
	}
	return offer.SDP, byMid
}

// anew is an offer with new ICE credentials. The library gathers candidates for it at once, and does not begin while
// it still does so for the one before.
func (f *far) anew() webrtc.SessionDescription {
	f.t.Helper()
	eventually(f.t, "candidates are gathered", func() bool { return f.pc.ICEGatheringState() == webrtc.ICEGatheringStateComplete })
	offer, err := f.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	if err != nil {
		f.t.Fatal(err)
	}
	return offer
}

func (f *far) answer(sdp string) {
	f.t.Helper()
	if err := f.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp}); err != nil {
		f.t.Fatal(err)
	}
}

// sender is a far caster with one VP8 track.
type sender struct {
	*far
	track *webrtc.TrackLocalStaticRTP
	wire  *webrtc.DTLSTransport
	rtcp  chan rtcp.Packet
}

func publish(t *testing.T, e *Engine, cast, id string) *sender {
	t.Helper()
	return publishFrom(newFar(t), e, cast, id)
}

// publishFrom is publish by a far end that is there.
func publishFrom(f *far, e *Engine, cast, id string) *sender {
	f.t.Helper()
	t := f.t
	s := &sender{far: f, rtcp: make(chan rtcp.Packet, 1000)}
	var err error
	s.track, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "s")
	if err != nil {
		t.Fatal(err)
	}
	tr, err := s.pc.AddTransceiverFromTrack(s.track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		t.Fatal(err)
	}
	s.wire = tr.Sender().Transport()
	offer, slots := s.offer("screen")
	answer, err := e.Publish(context.Background(), cast, id, offer, slots)
	if err != nil {
		t.Fatal(err)
	}
	s.answer(answer)
	go func() {
		for {
			packets, _, err := tr.Sender().ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range packets {
				select {
				case s.rtcp <- p:
				default:
				}
			}
		}
	}()
	return s
}

// send writes one VP8 packet. The server's end of a handshake is done before the client's, and pion drops what is
// written until then.
func (s *sender) send(seq uint16, ts uint32, key bool) {
	s.t.Helper()
	if s.wire.State() != webrtc.DTLSTransportStateConnected {
		eventually(s.t, "the caster's own end is up", func() bool { return s.wire.State() == webrtc.DTLSTransportStateConnected })
	}
	frame := byte(1)
	if key {
		frame = 0
	}
	err := s.track.WriteRTP(&rtp.Packet{
		Header:  rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: ts, Marker: true},
		Payload: []byte{0x10, frame, byte(seq >> 8), byte(seq)},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// receiver is a far viewer of the screen slot.
type receiver struct {
	*far
	packets chan *rtp.Packet
	rtpRecv *webrtc.RTPReceiver
}

func watch(t *testing.T, e *Engine, cast, id string) *receiver {
	t.Helper()
	return watchWith(t, e, cast, id, func(*webrtc.RTPTransceiver) {})
}

// watchWith is watch by a viewer whose transceiver is changed before it offers.
func watchWith(t *testing.T, e *Engine, cast, id string, change func(*webrtc.RTPTransceiver)) *receiver {
	t.Helper()
	r := &receiver{far: newFar(t), packets: make(chan *rtp.Packet, 10000)}
	tr, err := r.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
	if err != nil {
		t.Fatal(err)
	}
	change(tr)
	r.rtpRecv = tr.Receiver()
	r.pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			p, _, err := remote.ReadRTP()
			if err != nil {
				return
			}
			if len(p.Payload) > 0 { // what has none shows where a silent stream ended
				r.packets <- p
			}
		}
	})
	offer, slots := r.offer("screen")
	answer, err := e.Watch(context.Background(), cast, id, offer, slots)
	if err != nil {
		t.Fatal(err)
	}
	r.answer(answer)
	return r
}

// next is the next packet that arrives.
func (r *receiver) next() *rtp.Packet {
	r.t.Helper()
	select {
	case p := <-r.packets:
		return p
	case <-time.After(5 * time.Second):
		r.t.Fatal("no packet for 5 s")
		return nil
	}
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within 10 s: %s", what)
}

func (e *events) connected(t *testing.T, ids ...string) {
	t.Helper()
	for _, id := range ids {
		eventually(t, id+" connected", func() bool { return e.peer(id) == "connected" })
	}
}
