package sfu

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
)

// bareTrack is a far caster's VP8 track that may write with any SSRC: the library's own senders know no resends on
// another one (RFC 4588).
type bareTrack struct {
	out    atomic.Pointer[webrtc.TrackLocalWriter]
	main   webrtc.SSRC
	format webrtc.PayloadType
}

func (b *bareTrack) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	for _, codec := range c.CodecParameters() {
		if strings.EqualFold(codec.MimeType, webrtc.MimeTypeVP8) {
			out := c.WriteStream()
			b.main, b.format = c.SSRC(), codec.PayloadType
			b.out.Store(&out)
			return codec, nil
		}
	}
	return webrtc.RTPCodecParameters{}, errors.New("no VP8")
}

func (b *bareTrack) Unbind(webrtc.TrackLocalContext) error { return nil }
func (b *bareTrack) ID() string                            { return "v" }
func (b *bareTrack) RID() string                           { return "" }
func (b *bareTrack) StreamID() string                      { return "s" }
func (b *bareTrack) Kind() webrtc.RTPCodecType             { return webrtc.RTPCodecTypeVideo }

// resender is a far caster that sends lost packets again on an SSRC of their own.
type resender struct {
	*far
	track  bareTrack
	wire   *webrtc.DTLSTransport
	format webrtc.PayloadType // of the resends
	ssrc   uint32             // of the resends
	seq    uint16             // of the resends
	asked  chan []uint16      // numbers that the server wants again
}

func publishResender(t *testing.T, e *Engine, id string) *resender {
	t.Helper()
	c := &resender{far: newFar(t), ssrc: 0x0BADCAFE, seq: 65535, asked: make(chan []uint16, 1000)}
	tr, err := c.pc.AddTransceiverFromTrack(&c.track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		t.Fatal(err)
	}
	c.wire = tr.Sender().Transport()
	offer, slots := c.offer("screen")
	main := regexp.MustCompile(`a=ssrc:(\d+) cname:(\S+)\r\n`).FindStringSubmatch(offer)
	apt := regexp.MustCompile(`a=rtpmap:(\d+) VP8/90000\r\n`).FindStringSubmatch(offer)
	if main == nil || apt == nil {
		t.Fatalf("no SSRC or no VP8 in\n%s", offer)
	}
	rtx := regexp.MustCompile(`a=fmtp:(\d+) apt=` + apt[1] + `\r\n`).FindStringSubmatch(offer)
	if rtx == nil {
		t.Fatalf("no resends of VP8 in\n%s", offer)
	}
	format, _ := strconv.Atoi(rtx[1])
	c.format = webrtc.PayloadType(format)
	offer = strings.Replace(offer, main[0], fmt.Sprintf("a=ssrc-group:FID %s %d\r\n%s", main[1], c.ssrc, main[0]), 1) +
		fmt.Sprintf("a=ssrc:%d cname:%s\r\n", c.ssrc, main[2])
	answer, err := e.Publish(context.Background(), "c", id, offer, slots)
	if err != nil {
		t.Fatal(err)
	}
	c.answer(answer)
	go func() {
		for {
			packets, _, err := tr.Sender().ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range packets {
				if n, ok := p.(*rtcp.TransportLayerNack); ok {
					for _, pair := range n.Nacks {
						c.asked <- pair.PacketList()
					}
				}
			}
		}
	}()
	return c
}

func (c *resender) write(h rtp.Header, payload []byte) {
	c.t.Helper()
	if _, err := (*c.track.out.Load()).WriteRTP(&h, payload); err != nil {
		c.t.Fatal(err)
	}
}

// part is a packet of a picture.
func part(seq uint16, first, key bool) []byte {
	p := []byte{0, 1, byte(seq >> 8), byte(seq)}
	if first {
		p[0] = 0x10
	}
	if key {
		p[1] = 0
	}
	return p
}

// again sends a packet of the given number as a resend.
func (c *resender) again(seq uint16, ts uint32, payload []byte) {
	c.t.Helper()
	c.seq++
	c.write(rtp.Header{Version: 2, SSRC: c.ssrc, PayloadType: uint8(c.format), SequenceNumber: c.seq, Timestamp: ts},
		append(binary.BigEndian.AppendUint16(nil, seq), payload...))
}

// The library hands resends out when it is asked for the next packet. Behind the last picture of a screen that stands
// still there is none, and they must reach the viewers all the same.
func TestResendsBehindTheLastPictureReachViewers(t *testing.T) {
	e, seen := newEngine(t)
	c := publishResender(t, e, "caster")
	v := watch(t, e, "c", "v")
	seen.connected(t, "caster", "v")
	eventually(t, "the caster's own end is up", func() bool {
		return c.wire.State() == webrtc.DTLSTransportStateConnected && c.track.out.Load() != nil
	})
	const packets = 12
	first := uint16(65530) // the numbers wrap in the picture
	lost := map[uint16]bool{first + 3: true, first + 4: true, first + 9: true}
	main := rtp.Header{Version: 2, SSRC: uint32(c.track.main), PayloadType: uint8(c.track.format)}
	for i := range uint16(packets) {
		if seq := first + i; !lost[seq] {
			main.SequenceNumber, main.Timestamp, main.Marker = seq, 3000, i == packets-1
			c.write(main, part(seq, i == 0, i == 0))
		}
	}
	base := v.next().SequenceNumber // of the first packet
	for range packets - len(lost) - 1 {
		v.next()
	}
	waits, begun := len(lost), time.Now()
	for waits > 0 {
		select {
		case numbers := <-c.asked:
			for _, seq := range numbers {
				if !lost[seq] {
					continue // it was answered
				}
				if seq == first+9 && time.Since(begun) < time.Second {
					continue // the way to the server loses its resends for a second
				}
				lost[seq] = false
				waits--
				c.again(seq, 3000, part(seq, false, true))
				sent := time.Now()
				if p := v.next(); p.SequenceNumber != base+seq-first || p.Payload[2] != byte(seq>>8) || p.Payload[3] != byte(seq) {
					t.Errorf("after the resend of %d came %d: % x", seq, p.SequenceNumber-base+first, p.Payload)
				} else if took := time.Since(sent); took > time.Second {
					t.Errorf("the resend of %d took %v", seq, took)
				}
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%d packets were not asked for again: %v", waits, lost)
		}
	}
	if got := e.Ingest("c"); len(got) != 1 || got[0].Lost != 0 {
		t.Errorf("lost for good: %+v", got)
	}
}
