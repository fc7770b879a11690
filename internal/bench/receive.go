//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v2"
	"github.com/pion/webrtc/v3"
)

// connectPatience bounds the wait for one PeerConnection.
const connectPatience = 20 * time.Second

// joining is how many PeerConnections are being connected at a time at most.
const joining = 32

// reportEvery is how often a viewer reports, on its stream and on that of resends: browsers send four to five RTCP
// packets a second (measured 2026).
const reportEvery = 440 * time.Millisecond

// master is the SRTP master key and salt of viewer i, and ssrc its SSRC. They protect nothing.
func master(i int) (key, salt []byte) {
	sum := sha256.Sum256(fmt.Append(nil, "viewer ", i))
	return sum[:keySize], sum[keySize : keySize+saltSize]
}

func ssrc(i int) uint32 { return 0x10000000 + uint32(i) }

// receivers is the receiving process.
type receivers struct {
	sample  sample
	pending *webrtc.PeerConnection // offered, not answered yet
	socket  *net.UDPConn           // of pending
	under   chan struct{}          // one for each that is being connected
	failed  atomic.Int64
	peers   []*webrtc.PeerConnection
	conns   []*net.UDPConn
	readers sync.WaitGroup

	askers   askers
	arrivals arrivals // of joins
	crowd    []*patient
}

// receive is the receiving process.
func receive(in io.Reader, out io.Writer) error {
	r := &receivers{under: make(chan struct{}, joining)}
	defer r.close()
	return answer(in, out, r.serve)
}

func (r *receivers) serve(q request) (a reply, err error) {
	switch q.Do {
	case "bare":
		a.Addr, err = r.bare(q.Index, q.Sample)
	case "offer":
		a.SDP, err = r.offer()
	case "answer":
		err = r.answer(q.SDP, q.Sample)
	case "settle":
		err = r.settle()
	case "report":
		a.Seen = r.sample.report()
	case "flight":
		r.arrivals.limit(q.Count)
	case "expect":
		a.SDP, err = r.expect()
	case "arrive":
		err = r.arrive(q.Index, q.SDP)
	case "arrived":
		a.Arrived = r.arrivals.report()
	case "listen":
		a.SDP, err = r.listen()
	case "hear":
		err = r.hear(q.SDP)
	case "lose":
		r.lose(q.Loss)
	case "repairs":
		a.Repairs = r.repairs()
	default:
		err = fmt.Errorf("cannot do %q", q.Do)
	}
	return a, err
}

func (r *receivers) close() {
	r.askers.close()
	for _, pc := range r.peers {
		pc.Close()
	}
	for _, conn := range r.conns {
		conn.Close()
	}
	r.readers.Wait()
}

// open opens one socket on the loopback.
func (r *receivers) open() (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	r.conns = append(r.conns, conn)
	return conn, conn.SetReadBuffer(4 << 20)
}

// bare makes a plain socket a viewer.
func (r *receivers) bare(index int, sampled bool) (netip.AddrPort, error) {
	conn, err := r.open()
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("local address is a %T", conn.LocalAddr())
	}
	if !sampled {
		return addr.AddrPort(), dropMedia(conn)
	}
	key, salt := master(index)
	context, err := srtp.CreateContext(key, salt, srtp.ProtectionProfileAeadAes128Gcm)
	if err != nil {
		return netip.AddrPort{}, err
	}
	r.readers.Go(func() { r.readBare(conn, context) })
	return addr.AddrPort(), nil
}

func (r *receivers) readBare(conn *net.UDPConn, context *srtp.Context) {
	e := &eye{of: &r.sample}
	buf, plain := make([]byte, 2048), make([]byte, 0, 2048)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return // closed
		}
		now := time.Now()
		got, err := context.DecryptRTP(plain, buf[:n], nil)
		var p rtp.Packet
		if err == nil {
			err = p.Unmarshal(got)
		}
		if err != nil {
			r.sample.bad()
			continue
		}
		e.look(&p, now)
	}
}

// offer makes a PeerConnection on a socket of its own.
func (r *receivers) offer() (string, error) {
	conn, err := r.open()
	if err != nil {
		return "", err
	}
	asks, err := nack.NewGeneratorInterceptor()
	if err != nil {
		return "", err
	}
	pc, offer, err := r.peer(conn, asks)
	r.pending, r.socket = pc, conn
	return offer, err
}

// peer makes a PeerConnection on that socket and its offer. asks is what asks for lost packets.
func (r *receivers) peer(conn net.PacketConn, asks interceptor.Factory) (*webrtc.PeerConnection, string, error) {
	settings := loopback()
	settings.SetICEUDPMux(ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn, Logger: settings.LoggerFactory.NewLogger("ice")}))
	media, registry := &webrtc.MediaEngine{}, &interceptor.Registry{}
	reports, err := report.NewReceiverInterceptor(report.ReceiverInterval(reportEvery))
	if err := errors.Join(err, media.RegisterDefaultCodecs()); err != nil {
		return nil, "", err
	}
	registry.Add(reports)
	registry.Add(asks)
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, "", err
	}
	r.peers = append(r.peers, pc)
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		return nil, "", err
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		return nil, "", err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		return nil, "", err
	}
	<-gathered
	return pc, pc.LocalDescription().SDP, nil
}

// answer begins to connect the PeerConnection that was offered; when it is, it goes deaf, unless it is of the sample.
// While too many are being connected it waits.
func (r *receivers) answer(sdp string, sampled bool) error {
	pc := r.pending
	if pc == nil {
		return errors.New("nothing was offered")
	}
	r.pending = nil
	connected := make(chan struct{})
	var once sync.Once
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			once.Do(func() { close(connected) })
		}
	})
	if sampled {
		pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
			e := &eye{of: &r.sample}
			for {
				p, _, err := track.ReadRTP()
				if err != nil {
					return // closed
				}
				e.look(p, time.Now())
			}
		})
	}
	r.under <- struct{}{}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp}); err != nil {
		return err
	}
	socket := r.socket
	r.readers.Go(func() {
		defer func() { <-r.under }()
		ctx, cancel := context.WithTimeout(context.Background(), connectPatience)
		defer cancel()
		select {
		case <-connected:
			if sampled || dropMedia(socket) == nil {
				return
			}
		case <-ctx.Done():
		}
		r.failed.Add(1)
	})
	return nil
}

// settle waits until all are connected.
func (r *receivers) settle() error {
	for range joining {
		r.under <- struct{}{}
	}
	for range joining {
		<-r.under
	}
	if n := r.failed.Load(); n > 0 {
		return fmt.Errorf("%d PeerConnections were not connected in time", n)
	}
	return nil
}
