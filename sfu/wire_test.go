package sfu

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v3"

	"castcode/internal/linksim"
)

// wire is a far end's socket that has something happen to what comes and goes. It is a net.PacketConn for pion.
type wire struct {
	begun time.Time

	mu      sync.Mutex
	conn    net.PacketConn
	in, out *linksim.Shaper
	holes   int           // how many of the next datagrams that come are lost
	stopped chan struct{} // not nil: nothing is read before it is closed
	closed  bool
	late    sync.WaitGroup // datagrams that leave later
}

// newWire opens a socket at addr, inside ns if there is one.
func newWire(t *testing.T, ns *linksim.Namespace, addr netip.Addr, seed uint64) *wire {
	t.Helper()
	w := &wire{
		begun: time.Now(), conn: listenIn(t, ns, addr),
		in: linksim.NewShaper(linksim.Conditions{}, seed), out: linksim.NewShaper(linksim.Conditions{}, seed+1<<32),
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func listenIn(t *testing.T, ns *linksim.Namespace, addr netip.Addr) (conn *net.UDPConn) {
	t.Helper()
	listen := func() (err error) {
		conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		return err
	}
	err := error(nil)
	if ns != nil {
		err = ns.Do(listen)
	} else {
		err = listen()
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// set changes what happens to what comes in and what goes out.
func (w *wire) set(in, out linksim.Conditions) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.in.Set(in)
	w.out.Set(out)
}

// lose makes a hole of the next n datagrams that come.
func (w *wire) lose(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holes = n
}

// cut takes the network away.
func (w *wire) cut() { w.set(linksim.Conditions{Down: true}, linksim.Conditions{Down: true}) }

// mend brings it back.
func (w *wire) mend() { w.set(linksim.Conditions{}, linksim.Conditions{}) }

// stop stops reading, for good, as a process does that hangs: the socket stays open.
func (w *wire) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = make(chan struct{})
}

// move replaces the socket: from now on the other side sees another address, as when a NAT forgets or a phone changes
// its network.
func (w *wire) move(t *testing.T) {
	t.Helper()
	fresh := listenIn(t, nil, w.LocalAddr().(*net.UDPAddr).AddrPort().Addr())
	w.mu.Lock()
	old := w.conn
	w.conn = fresh
	w.mu.Unlock()
	_ = old.Close()
}

func (w *wire) now() int64 { return int64(time.Since(w.begun)) }

func (w *wire) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		w.mu.Lock()
		conn, stopped := w.conn, w.stopped
		w.mu.Unlock()
		if stopped != nil {
			<-stopped
		}
		n, from, err := conn.ReadFrom(p)
		w.mu.Lock()
		lost := err == nil && len(w.in.Plan(nil, n, w.now())) == 0
		if err == nil && w.holes > 0 {
			w.holes--
			lost = true
		}
		moved := w.conn != conn && !w.closed
		w.mu.Unlock()
		if lost || moved {
			continue
		}
		return n, from, err
	}
}

func (w *wire) WriteTo(p []byte, to net.Addr) (int, error) {
	w.mu.Lock()
	now := w.now()
	conn, at := w.conn, w.out.Plan(nil, len(p), now)
	for _, due := range at {
		if due > now && !w.closed {
			q := append([]byte(nil), p...)
			w.late.Add(1)
			time.AfterFunc(time.Duration(due-now), func() {
				defer w.late.Done()
				_, _ = conn.WriteTo(q, to) // a closed socket loses what was on its way
			})
			at = nil
		}
	}
	w.mu.Unlock()
	if len(at) > 0 {
		return conn.WriteTo(p, to)
	}
	return len(p), nil
}

func (w *wire) Close() error {
	w.mu.Lock()
	if w.stopped != nil && !w.closed {
		close(w.stopped)
	}
	w.closed = true
	conn := w.conn
	w.mu.Unlock()
	err := conn.Close()
	w.late.Wait()
	return err
}

func (w *wire) LocalAddr() net.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn.LocalAddr()
}

func (*wire) SetDeadline(time.Time) error      { return nil }
func (*wire) SetReadDeadline(time.Time) error  { return nil }
func (*wire) SetWriteDeadline(time.Time) error { return nil }

// newFarOn is a far end on w that asks for lost packets, sends what it is asked for, and reports. codecs registers
// what it can do; nil is all that pion can.
func newFarOn(t *testing.T, w *wire, codecs func(*webrtc.MediaEngine) error) *far {
	t.Helper()
	quiet := &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}
	s := webrtc.SettingEngine{LoggerFactory: quiet}
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: w, Logger: quiet.NewLogger("mux")})
	s.SetICEUDPMux(mux)
	s.SetICETimeouts(5*time.Second, 30*time.Second, time.Second)
	s.SetIncludeLoopbackCandidate(true)
	m, r := &webrtc.MediaEngine{}, &interceptor.Registry{}
	if codecs == nil {
		codecs = (*webrtc.MediaEngine).RegisterDefaultCodecs
	}
	for _, err := range []error{codecs(m), webrtc.ConfigureNack(m, r), webrtc.ConfigureRTCPReports(r)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	api := webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(m), webrtc.WithInterceptorRegistry(r))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.Close() // first, so that a stopped reader goes on
		_ = pc.Close()
		_ = mux.Close()
	})
	return &far{t: t, pc: pc}
}

// withoutRTX is a media engine that knows VP8 and no retransmission streams: lost packets come again as they were.
func withoutRTX(m *webrtc.MediaEngine) error {
	return m.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 96, RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeVP8, ClockRate: 90000,
		RTCPFeedback: []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"}},
	}}, webrtc.RTPCodecTypeVideo)
}

// counts says what became of what came in.
func (w *wire) counts() linksim.Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.in.Counts()
}
