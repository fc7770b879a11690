package sfu

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v3"

	"castcode/sfu/transport"
)

// gateTick is how often a caster's loop looks for keyframe requests that are due.
const gateTick = 100 * time.Millisecond

// caster is the sending peer of a cast.
type caster struct {
	connection
	slots      map[string]Slot  // by mid; fixed
	reports    *reports         // fixed
	passive    bool             // it is the DTLS server; fixed
	undeclared map[uint8]string // mids of streams whose SSRC the offer does not tell, by payload type; fixed

	// guarded by restartMu, which is held for the time of a restart
	restartMu sync.Mutex
	restarts  transport.Restarts
	offer     *transport.Offer // the newest
	sdp       string           // of which it was read; only with undeclared
	streams   undeclared

	// guarded by layersMu
	layersMu sync.Mutex
	layers   []*layer
}

// newCaster answers offer. Nothing is forwarded before the engine has put the caster into its cast, because the
// peer cannot connect without the answer. up is called when it is no longer on its way up, also if that is because of an
// error.
func newCaster(ctx context.Context, e *Engine, id string, on *cast, offer string, parsed *transport.Offer, ms []media,
	up func(),
) (*caster, string, error) {
	c := &caster{slots: map[string]Slot{}, offer: parsed, passive: parsed.Passive(), undeclared: parsed.Undeclared()}
	if len(c.undeclared) > 0 {
		c.sdp, c.streams = offer, newUndeclared(c.undeclared, len(parsed.Media))
	}
	for _, m := range ms {
		c.slots[m.mid] = m.slot
	}
	c.reports = &reports{caster: c, said: map[uint32]said{}}
	api, err := newCasterAPI(e.settings, c.reports, c.passive)
	if err == nil {
		err = c.init(e, id, on, api, c, up)
	}
	if err != nil {
		up()
		return nil, "", err
	}
	c.pc.OnTrack(c.onTrack)
	answer, err := c.connection.answer(ctx, offer, parsed, c.streams.ssrcs)
	if err != nil {
		c.close()
		return nil, "", err
	}
	c.start(c.loop)
	return c, answer, nil
}

// onTrack is called by pion when the first packet of a stream came.
func (c *caster) onTrack(remote *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	slot, ok := c.slots[receiver.RTPTransceiver().Mid()]
	if !ok {
		return
	}
	l := newLayer(c, c.cast.tracks[slot], remote, receiver)
	c.start(func() { c.runLayer(l) })
}

// runLayer makes l a layer of its slot for as long as its stream lives.
func (c *caster) runLayer(l *layer) {
	if !c.engine.casts(c) {
		return // somebody took the cast over in the meantime
	}
	c.layersMu.Lock()
	c.layers = append(c.layers, l)
	c.layersMu.Unlock()
	c.reports.adopt(l)
	l.run()
	c.layersMu.Lock()
	c.layers = slices.DeleteFunc(c.layers, func(other *layer) bool { return other == l })
	c.layersMu.Unlock()
	if l.track.leave(l) {
		c.engine.castChanged(c.cast)
	}
}

// loop repeats keyframe requests and measures the layers until the connection is closed.
func (c *caster) loop() {
	tick := time.NewTicker(gateTick)
	defer tick.Stop()
	measured := time.Time{}
	for {
		select {
		case <-c.done:
			return
		case now := <-tick.C:
			for _, l := range c.snapshot() {
				l.due(now)
			}
			if now.Sub(measured) < measureEvery-gateTick/2 {
				continue
			}
			measured = now
			for _, t := range c.cast.tracks {
				t.measure(c, c.engine.now())
			}
		}
	}
}

func (c *caster) snapshot() []*layer {
	c.layersMu.Lock()
	defer c.layersMu.Unlock()
	return slices.Clone(c.layers)
}

// sendPLI asks for a keyframe of one stream (RFC 4585 §6.3.1). A request that cannot be sent is repeated by the
// gate.
func (c *caster) sendPLI(ssrc uint32) {
	_ = c.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}})
}
