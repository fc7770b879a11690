package sfu

import (
	"math/rand/v2"

	"github.com/pion/transport/v2/packetio"
)

// An offer need not say which SSRC its streams have: where an m-line sends one stream, the payload type tells it (RFC
// 9143 §9.2). The library wants to be told, so it is when the first packet has come. Nothing of the stream is lost
// meanwhile, and the peer does not notice.

// undeclared is what the library was told of such streams.
type undeclared struct {
	ssrcs map[string]uint32 // by mid
	heard map[string]bool   // the mids whose SSRC is the right one
}

// newUndeclared is for an offer with so many m-lines. Of a single one the library would make a stream that belongs to no
// m-line, so it is told an SSRC that nobody has. Of several it must not be told such a one: it takes its time to follow,
// and when two are set right in quick succession it gives the second stream what it was told for it at first.
func newUndeclared(mids map[uint8]string, lines int) undeclared {
	u := undeclared{ssrcs: map[string]uint32{}, heard: map[string]bool{}}
	if lines > 1 {
		return u
	}
	for _, mid := range mids {
		u.ssrcs[mid] = rand.Uint32()
	}
	return u
}

// listener is a buffer of pion's for an incoming stream that the offer may not have told of. It belongs to the
// goroutine that reads the connection's SRTP, but for its Buffer.
type listener struct {
	*packetio.Buffer
	caster *caster
	ssrc   uint32
	heard  bool
}

// Write takes a decrypted packet.
func (l *listener) Write(p []byte) (int, error) {
	if !l.heard && len(p) > 1 {
		l.heard = true
		if mid, ok := l.caster.undeclared[p[1]&0x7f]; ok {
			l.caster.start(func() { l.caster.declare(mid, l.ssrc) })
		}
	}
	return l.Buffer.Write(p)
}

// declare tells pion that the stream of an m-line has an SSRC, once for each m-line.
func (c *caster) declare(mid string, ssrc uint32) {
	c.restartMu.Lock()
	defer c.restartMu.Unlock()
	if c.streams.heard[mid] {
		return
	}
	c.streams.heard[mid], c.streams.ssrcs[mid] = true, ssrc
	answer, err := c.describe(c.sdp, c.offer, c.streams.ssrcs)
	if err == nil {
		err = c.pc.SetLocalDescription(answer)
	}
	if err != nil {
		c.engine.log.Debug("a stream without a declared SSRC", "peer", c.id, "error", err)
	}
}
