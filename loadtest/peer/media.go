package peer

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtcp"

	"castcode/loadtest/stream"
	"castcode/loadtest/track"
)

const (
	// reportEvery is how long between two receiver reports.
	reportEvery = time.Second
	// ourSSRC names us in RTCP: we send no media, so nothing else does.
	ourSSRC = 1
)

// media takes one SRTP or SRTCP datagram. Called with mu held.
func (p *Peer) media(b, plain []byte, now time.Time) {
	if len(b) < 12 {
		return
	}
	if b[1] >= 192 && b[1] <= 223 { // RFC 5761 section 4
		p.control(b, plain, now)
		return
	}
	if p.config.Lose != nil && p.config.Lose(len(b), now) {
		p.lost++
		return
	}
	got, err := p.keys.in.DecryptRTP(plain, b, &p.header)
	if err != nil {
		return // not the server's, or a number twice
	}
	at := 12 + 4*int(got[0]&0x0f)
	if got[0]&0x10 != 0 && len(got) >= at+4 {
		at += 4 + 4*int(binary.BigEndian.Uint16(got[at+2:]))
	}
	end := len(got)
	if got[0]&0x20 != 0 && end > at {
		end -= int(got[end-1])
	}
	if end < at {
		return
	}
	h := &p.header
	p.packet(h.PayloadType, h.SSRC, track.Packet{Seq: h.SequenceNumber, Time: h.Timestamp, Marker: h.Marker, Payload: got[at:end]}, now)
}

// packet gives a packet to its track.
func (p *Peer) packet(kind uint8, ssrc uint32, q track.Packet, now time.Time) {
	is, ok := p.answer.codecs[kind]
	switch {
	case !ok:
	case is.resend:
		if p.video == nil || len(q.Payload) < 2 {
			return // padding
		}
		q.Seq, q.Payload = binary.BigEndian.Uint16(q.Payload), q.Payload[2:]
		p.video.TakeResent(q, now)
	case is.codec == stream.Opus:
		if p.audio == nil {
			p.audio = p.track(is.codec, now)
		}
		if p.ssrcs.audio != ssrc {
			p.audio.Anew()
			p.ssrcs.audio = ssrc
		}
		p.audio.Take(q, now)
	default:
		if p.video == nil || p.codec != is.codec {
			if p.video != nil {
				p.past.Add(&p.video.Figures)
			}
			p.video, p.codec = p.track(is.codec, now), is.codec
		}
		if p.ssrcs.video != ssrc {
			p.video.Anew()
			p.ssrcs.video = ssrc
		}
		p.video.Take(q, now)
	}
}

func (p *Peer) track(c stream.Codec, now time.Time) *track.Track {
	config := track.Config{Codec: c, Room: p.config.Room}
	if c.Video() {
		config.Repair, config.Sink, config.Ledger = p.config.Repair, p.config.Sink, p.config.Ledger
	}
	t := track.New(config)
	t.Begin(now)
	return t
}

// control takes one SRTCP datagram: of sender reports the time, which our reports give back.
func (p *Peer) control(b, plain []byte, now time.Time) {
	got, err := p.keys.in.DecryptRTCP(plain, b, nil)
	if err != nil {
		return
	}
	packets, err := rtcp.Unmarshal(got)
	if err != nil {
		return
	}
	for _, q := range packets {
		if r, ok := q.(*rtcp.SenderReport); ok {
			switch middle := uint32(r.NTPTime >> 16); {
			case r.SSRC == p.ssrcs.video && p.video != nil:
				p.video.Sender(middle, now)
			case r.SSRC == p.ssrcs.audio && p.audio != nil:
				p.audio.Sender(middle, now)
			}
		}
	}
}

// pause is called when nothing more has come for now: it asks for what is missing.
func (p *Peer) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.video != nil && p.video.Urgent() {
		p.feedback(time.Now(), false)
	}
}

// tick does what is due; the clock calls it.
func (p *Peer) tick(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return
	}
	out, dead := p.agent.due(now)
	p.sendAll(out)
	if dead {
		p.fail(ErrSilence)
	}
	if p.keys != nil {
		report := !now.Before(p.reportAt)
		if report {
			p.reportAt = now.Add(reportEvery)
		}
		p.feedback(now, report)
	}
}

// feedback sends what is to be told the sender now. Called with mu held.
func (p *Peer) feedback(now time.Time, report bool) {
	var packets []rtcp.Packet
	if report {
		packets = p.report(now)
	}
	if p.video != nil {
		ask, key := p.video.Due(now)
		if len(ask) > 0 {
			packets = append(packets, &rtcp.TransportLayerNack{
				SenderSSRC: ourSSRC, MediaSSRC: p.ssrcs.video, Nacks: rtcp.NackPairsFromSequenceNumbers(ask),
			})
		}
		if key {
			packets = append(packets, &rtcp.PictureLossIndication{SenderSSRC: ourSSRC, MediaSSRC: p.ssrcs.video})
		}
	}
	if p.audio != nil {
		p.audio.Due(now)
	}
	if len(packets) == 0 {
		return
	}
	raw, err := rtcp.Marshal(packets)
	if err != nil {
		return // it would be a report that does not fit; the next one may
	}
	if sealed, err := p.keys.out.EncryptRTCP(nil, raw, nil); err == nil {
		p.socket.send(sealed, p.agent.path())
	}
}

// report makes a receiver report about what there is.
func (p *Peer) report(now time.Time) []rtcp.Packet {
	r := &rtcp.ReceiverReport{SSRC: ourSSRC}
	for _, s := range []struct {
		track *track.Track
		ssrc  uint32
	}{{p.video, p.ssrcs.video}, {p.audio, p.ssrcs.audio}} {
		if s.track == nil {
			continue
		}
		if one, ok := s.track.Report(now); ok {
			one.SSRC = s.ssrc
			r.Reports = append(r.Reports, one)
		}
	}
	return []rtcp.Packet{r}
}
