package loadtest

import (
	"context"
	"sync"
	"time"

	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/webrtc/v3"
)

// viewer is a synthetic viewer and what it saw.
type viewer struct {
	*client
	pc    *webrtc.PeerConnection
	begun time.Time

	mu      sync.Mutex
	joined  time.Duration // until the answer
	first   time.Duration // until the first packet; 0: none came
	packets int
	lost    int // numbers that never came, so far as later ones tell
	frames  int
	delays  []time.Duration
	seen    map[uint16]bool // the last window of numbers
	newest  uint16
	last    uint32 // newest frame
}

// newViewer joins the room with the given code.
func newViewer(ctx context.Context, c *client, code string) (*viewer, error) {
	v := &viewer{client: c, begun: time.Now(), seen: map[uint16]bool{}}
	generator, err := nack.NewGeneratorInterceptor()
	if err != nil {
		return nil, err
	}
	if v.pc, err = newConnection(generator); err != nil {
		return nil, err
	}
	if _, err := v.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		return nil, err
	}
	v.pc.OnTrack(v.read)
	if err := negotiate(ctx, v.pc, c, "join", map[string]any{"code": code}); err != nil {
		return v, err
	}
	v.mu.Lock()
	v.joined = time.Since(v.begun)
	v.mu.Unlock()
	return v, nil
}

func (v *viewer) read(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	for {
		p, _, err := remote.ReadRTP()
		if err != nil {
			return
		}
		v.note(p.SequenceNumber, p.Payload, time.Now())
	}
}

// note counts a packet. A gap counts as lost until the packet comes after all, by repair or out of order.
func (v *viewer) note(seq uint16, payload []byte, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.packets == 0 {
		v.first = now.Sub(v.begun)
		v.newest = seq - 1
	}
	switch step := int16(seq - v.newest); {
	case step > 0:
		v.lost += int(step) - 1
		for n := v.newest + 1; n != seq; n++ {
			v.seen[n] = false
		}
		delete(v.seen, seq-1<<14) // what is missing still is lost
		v.newest = seq
	default:
		if missing, ok := v.seen[seq]; !ok || missing {
			return // came twice
		}
		v.seen[seq] = true
		v.lost--
	}
	v.packets++
	frame, sent, ok := stamp(payload)
	if !ok {
		return
	}
	v.delays = append(v.delays, now.Sub(sent))
	if v.frames == 0 || frame != v.last {
		v.frames++
		v.last = frame
	}
}
