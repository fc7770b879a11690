// Package naive is the smallest WHIP and WHEP server that works: one pion PeerConnection per caster and per viewer, one
// local track that is added to all of them, as the library's examples show it. The load tester is tested against it,
// and its figures stand beside those of the product.
package naive

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/logging"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v3"
)

// maxOffer bounds an offer, in bytes.
const maxOffer = 64 << 10

// Server serves POST /whip/{room}, POST /whep/{room} and DELETE of what they give. It asks for no token.
type Server struct {
	api *webrtc.API
	mux *http.ServeMux

	mu    sync.Mutex
	rooms map[string]*room                  // guarded by mu
	peers map[string]*webrtc.PeerConnection // by resource; guarded by mu

	readers sync.WaitGroup
}

// room is one cast.
type room struct {
	mu     sync.Mutex
	caster *webrtc.PeerConnection                              // guarded by mu
	tracks map[webrtc.RTPCodecType]*webrtc.TrackLocalStaticRTP // guarded by mu
	ssrc   atomic.Uint32                                       // of the picture
}

// New makes a server. loopback lets it offer 127.0.0.1 and nothing else.
func New(loopback bool) (*Server, error) {
	media, registry := &webrtc.MediaEngine{}, &interceptor.Registry{}
	if err := errors.Join(media.RegisterDefaultCodecs(), webrtc.RegisterDefaultInterceptors(media, registry)); err != nil {
		return nil, err
	}
	settings := webrtc.SettingEngine{LoggerFactory: &logging.DefaultLoggerFactory{Writer: io.Discard}}
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	if loopback {
		settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
		settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
		settings.SetIncludeLoopbackCandidate(true)
	}
	s := &Server{
		api:   webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings)),
		mux:   http.NewServeMux(),
		rooms: map[string]*room{}, peers: map[string]*webrtc.PeerConnection{},
	}
	s.mux.HandleFunc("POST /whip/{room}", s.whip)
	s.mux.HandleFunc("POST /whep/{room}", s.whep)
	s.mux.HandleFunc("DELETE /peer/{id}", s.remove)
	return s, nil
}

// ServeHTTP is http.Handler's.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close ends all connections and waits for what reads them.
func (s *Server) Close() error {
	s.mu.Lock()
	peers := s.peers
	s.peers = map[string]*webrtc.PeerConnection{}
	s.mu.Unlock()
	var errs []error
	for _, pc := range peers {
		errs = append(errs, pc.Close())
	}
	s.readers.Wait()
	return errors.Join(errs...)
}

func (s *Server) whip(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("room")
	s.answer(w, r, func(pc *webrtc.PeerConnection) error {
		to := &room{caster: pc, tracks: map[webrtc.RTPCodecType]*webrtc.TrackLocalStaticRTP{}}
		s.mu.Lock()
		s.rooms[name] = to
		s.mu.Unlock()
		pc.OnTrack(func(from *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { s.forward(from, to) })
		return nil
	})
}

// forward copies a stream to all viewers, until it ends. Of several layers the first that comes is it.
func (s *Server) forward(from *webrtc.TrackRemote, to *room) {
	kind := from.Kind()
	local, err := webrtc.NewTrackLocalStaticRTP(from.Codec().RTPCodecCapability, kind.String(), "naive")
	to.mu.Lock()
	if err != nil || to.tracks[kind] != nil {
		to.mu.Unlock()
		return
	}
	to.tracks[kind] = local
	to.mu.Unlock()
	if kind == webrtc.RTPCodecTypeVideo {
		to.ssrc.Store(uint32(from.SSRC()))
	}
	buf := make([]byte, 1500)
	for {
		n, _, err := from.Read(buf)
		if err != nil {
			return
		}
		if _, err := local.Write(buf[:n]); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			return
		}
	}
}

func (s *Server) whep(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	from := s.rooms[r.PathValue("room")]
	s.mu.Unlock()
	if from == nil || from.ssrc.Load() == 0 {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "nobody casts", http.StatusConflict)
		return
	}
	s.answer(w, r, func(pc *webrtc.PeerConnection) error {
		from.mu.Lock()
		defer from.mu.Unlock()
		for _, t := range from.tracks {
			sender, err := pc.AddTrack(t)
			if err != nil {
				return err
			}
			s.readers.Go(func() { s.listen(sender, from) })
		}
		return nil
	})
}

// listen passes every wish for a keyframe on to the caster, until the viewer is gone.
func (s *Server) listen(sender *webrtc.RTPSender, from *room) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			if _, ok := p.(*rtcp.PictureLossIndication); ok {
				_ = from.caster.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: from.ssrc.Load()}})
			}
		}
	}
}

// answer makes a PeerConnection, lets set prepare it, and answers the offer of the request.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, set func(*webrtc.PeerConnection) error) {
	offer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOffer))
	if err != nil || r.Header.Get("Content-Type") != "application/sdp" {
		http.Error(w, "no SDP", http.StatusUnsupportedMediaType)
		return
	}
	pc, err := s.api.NewPeerConnection(webrtc.Configuration{})
	if err == nil {
		err = set(pc)
	}
	if err == nil {
		err = settle(pc, string(offer))
	}
	if err != nil {
		if pc != nil {
			_ = pc.Close()
		}
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	id := rand.Text()
	s.mu.Lock()
	s.peers[id] = pc
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/sdp")
	w.Header().Set("Location", "/peer/"+id)
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, pc.LocalDescription().SDP)
}

// settle answers with all candidates.
func settle(pc *webrtc.PeerConnection, offer string) error {
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return err
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		return err
	}
	select {
	case <-gathered:
		return nil
	case <-time.After(5 * time.Second):
		return errors.New("no candidates in time")
	}
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	pc := s.peers[r.PathValue("id")]
	delete(s.peers, r.PathValue("id"))
	s.mu.Unlock()
	if pc == nil {
		http.NotFound(w, r)
		return
	}
	_ = pc.Close()
}
