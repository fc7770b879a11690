package sfu

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
)

const (
	// brokenAfter is for how many frames a spectator's decoder waits for one that is not whole, before it wants a
	// keyframe; begAgain is how often it says so. Browsers do the same about as fast.
	brokenAfter = 30
	begAgain    = 300 * time.Millisecond
)

// picture is a frame on its way to the decoder.
type picture struct {
	mark
	got  map[uint16]bool
	full time.Duration // when it was whole
}

// shown is a frame that was decoded.
type shown struct {
	mark
	at time.Duration
}

// spectator is a viewer like a browser: it asks for lost packets, decodes frames in their order, and wants a keyframe
// when it cannot go on.
type spectator struct {
	*far
	wire  *wire
	id    string
	begun time.Duration // when it began to connect

	mu        sync.Mutex
	up        time.Duration // connected by its own account
	ssrc      map[uint32]bool
	packets   int
	behind    int // packets that came after later ones
	seq       uint16
	ts        uint32
	steps     []int16 // from number to number, of what came in order
	jumps     []int32 // from timestamp to timestamp
	keyOnly   bool    // the decoder waits for a keyframe
	begged    time.Duration
	begs      int
	mute      bool
	session   uint16
	nextFrame uint32
	newest    uint32
	pending   map[uint32]*picture
	shows     []shown
}

func sit(t *testing.T, e *Engine, cast, id string, w *wire, codecs func(*webrtc.MediaEngine) error) *spectator {
	t.Helper()
	v := &spectator{
		far: newFarOn(t, w, codecs), wire: w, id: id, begun: time.Since(epochOfMarks), ssrc: map[uint32]bool{},
		keyOnly: true, pending: map[uint32]*picture{},
	}
	if _, err := v.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		t.Fatal(err)
	}
	v.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		v.mu.Lock()
		defer v.mu.Unlock()
		if s == webrtc.PeerConnectionStateConnected && v.up == 0 {
			v.up = time.Since(epochOfMarks)
		}
	})
	v.pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			p, _, err := remote.ReadRTP()
			if err != nil {
				return
			}
			if beg := v.take(p, time.Since(epochOfMarks)); beg {
				_ = v.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: p.SSRC}}) // lost when closed
			}
		}
	})
	offer, slots := v.offer("screen")
	answer, err := e.Watch(context.Background(), cast, id, offer, slots)
	if err != nil {
		t.Fatal(err)
	}
	v.answer(answer)
	return v
}

// seat makes n spectators and waits until the server calls them connected.
func seat(t *testing.T, e *Engine, seen *events, cast string, n int) (crowd []*spectator) {
	t.Helper()
	for i := range n {
		crowd = append(crowd, sit(t, e, cast, fmt.Sprint("viewer-", i), newWire(t, nil, loopback, uint64(100+i)), nil))
	}
	for _, v := range crowd {
		seen.connected(t, v.id)
	}
	return crowd
}

// take feeds the decoder with a packet, and says whether a keyframe is to be asked for.
func (v *spectator) take(p *rtp.Packet, now time.Duration) (beg bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ssrc[p.SSRC] = true
	m, ok := readMark(p.Payload)
	if !ok {
		return false // padding that shows where a silent stream ended
	}
	if v.packets++; v.packets == 1 {
		v.begged = now // the first keyframe is on its way
	}
	if v.packets > 1 && int16(p.SequenceNumber-v.seq) < 0 {
		v.behind++
	} else {
		v.steps, v.jumps = append(v.steps, int16(p.SequenceNumber-v.seq)), append(v.jumps, int32(p.Timestamp-v.ts))
		v.seq, v.ts = p.SequenceNumber, p.Timestamp
	}
	if m.session != v.session { // another caster; there is nothing left to decode of the one before
		v.session, v.pending, v.nextFrame, v.newest, v.keyOnly = m.session, map[uint32]*picture{}, 0, 0, true
	}
	f := v.pending[m.frame]
	if f == nil {
		f = &picture{mark: m, got: map[uint16]bool{}}
		v.pending[m.frame] = f
	}
	f.got[m.place] = true
	if f.full == 0 && len(f.got) == int(f.parts) {
		f.full = now
	}
	v.newest = max(v.newest, m.frame)
	v.decode(now)
	if (v.keyOnly || v.newest >= v.nextFrame+brokenAfter) && !v.mute && now-v.begged >= begAgain {
		v.begged = now
		v.begs++
		return true
	}
	return false
}

// beg asks for a keyframe, whatever the decoder thinks.
func (v *spectator) beg() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for ssrc := range v.ssrc {
		_ = v.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}}) // lost when closed
	}
}

// decode shows what can be shown. Called with mu held.
func (v *spectator) decode(now time.Duration) {
	for {
		f := v.pending[v.nextFrame]
		if v.keyOnly || f == nil || f.full == 0 {
			if f = v.newestKey(); f == nil || !v.keyOnly && v.newest < v.nextFrame+brokenAfter {
				return
			}
		}
		v.keyOnly = false
		v.shows = append(v.shows, shown{f.mark, now})
		for n := range v.pending {
			if n <= f.frame {
				delete(v.pending, n)
			}
		}
		v.nextFrame = f.frame + 1
	}
}

// newestKey is the newest keyframe that is whole and not shown.
func (v *spectator) newestKey() (best *picture) {
	for n, f := range v.pending {
		if f.key && f.full != 0 && n >= v.nextFrame && (best == nil || n > best.frame) {
			best = f
		}
	}
	return best
}

// seen returns what was shown after since.
func (v *spectator) seen(since time.Duration) []shown {
	v.mu.Lock()
	defer v.mu.Unlock()
	at, _ := slices.BinarySearchFunc(v.shows, since, func(s shown, t time.Duration) int { return int(s.at - t) })
	return slices.Clone(v.shows[at:])
}

// watched sums up what a crowd saw.
type watched struct {
	frames, skipped, freezes   int
	worst                      time.Duration // longest gap beyond the caster's own
	median, p90, p99, farthest time.Duration // age of a frame when it was shown
}

func (w watched) String() string {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return fmt.Sprintf("%d frames, %d skipped, %d freezes (worst gap +%.1f ms), age p50 %.1f p90 %.1f p99 %.1f max %.1f ms",
		w.frames, w.skipped, w.freezes, ms(w.worst), ms(w.median), ms(w.p90), ms(w.p99), ms(w.farthest))
}

// sum looks at what was shown between two times.
func sum(crowd []*spectator, since, until time.Duration) (w watched) {
	var ages []time.Duration
	for _, v := range crowd {
		var last *shown
		for _, s := range v.seen(since) {
			if s.at > until {
				break
			}
			ages = append(ages, s.at-s.sent)
			if last != nil && last.session == s.session {
				w.skipped += int(s.frame - last.frame - 1)
				extra := s.at - last.at - (s.sent - last.sent)
				w.worst = max(w.worst, extra)
				if extra > 2*frameTime {
					w.freezes++
				}
			}
			last = &s
		}
	}
	w.frames = len(ages)
	if len(ages) > 0 {
		slices.Sort(ages)
		at := func(percent int) time.Duration { return ages[(len(ages)-1)*percent/100] }
		w.median, w.p90, w.p99, w.farthest = at(50), at(90), at(99), ages[len(ages)-1]
	}
	return w
}

// shows waits until each of a crowd has shown n more frames.
func shows(t *testing.T, crowd []*spectator, n int) {
	t.Helper()
	since := time.Since(epochOfMarks)
	short := func(v *spectator) bool { return len(v.seen(since)) < n }
	for deadline := time.Now().Add(20 * time.Second); slices.ContainsFunc(crowd, short); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not %d more frames within 20 s at %s", n, names(crowd, short))
		}
	}
}

// names lists the viewers for which a condition holds.
func names(crowd []*spectator, bad func(v *spectator) bool) string {
	var list []string
	for _, v := range crowd {
		if bad(v) {
			v.mu.Lock()
			list = append(list, fmt.Sprintf("%s (%d shown, next is %d of %d, %d begs)", v.id, len(v.shows), v.nextFrame, v.newest, v.begs))
			v.mu.Unlock()
		}
	}
	return strings.Join(list, ", ")
}
