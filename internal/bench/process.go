//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"time"
)

// request is what the measuring process asks of another one.
type request struct {
	Do     string         `json:"do"`               // see serve of the other process
	Index  int            `json:"index,omitempty"`  // of the viewer
	Count  int            `json:"count,omitempty"`  // with "flight"
	Loss   float64        `json:"loss,omitempty"`   // with "lose", share of the packets
	Sample bool           `json:"sample,omitempty"` // this viewer reads and checks
	SDP    string         `json:"sdp,omitempty"`    // with "answer"
	Addr   netip.AddrPort `json:"addr,omitzero"`    // with "join"
	Length time.Duration  `json:"length,omitempty"` // with "run"
	Speed  int            `json:"speed,omitempty"`  // with "run", in multiples of real time; 0 for flat out
}

type reply struct {
	Addr    netip.AddrPort `json:"addr,omitzero"`    // to "bare"
	SDP     string         `json:"sdp,omitempty"`    // to "offer"
	Seen    Seen           `json:"seen,omitzero"`    // to "report"
	Figures Figures        `json:"figures,omitzero"` // to "run"
	Arrived Arrived        `json:"arrived,omitzero"` // to "arrived"
	Repairs Repairs        `json:"repairs,omitzero"` // to "repairs"
	Error   string         `json:"error,omitempty"`
}

// answer serves the requests of in until it ends.
func answer(in io.Reader, out io.Writer, serve func(request) (reply, error)) error {
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q request
		if err := decoder.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		a, err := serve(q)
		if err != nil {
			a.Error = err.Error()
		}
		if err := encoder.Encode(a); err != nil {
			return err
		}
	}
}

// child is another process of this program. Each line of JSON to it is answered by one.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	enc *json.Encoder
	dec *json.Decoder
}

// startChild starts this program again, with that word.
func startChild(word string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self, word)}
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.enc, c.dec = json.NewEncoder(c.in), json.NewDecoder(out)
	return c, c.cmd.Start()
}

func (c *child) ask(q request) (reply, error) {
	var a reply
	if err := c.enc.Encode(q); err != nil {
		return a, err
	}
	if err := c.dec.Decode(&a); err != nil {
		return a, fmt.Errorf("other process: %w", err)
	}
	if a.Error != "" {
		return a, errors.New("other process: " + a.Error)
	}
	return a, nil
}

func (c *child) close() error {
	return errors.Join(c.in.Close(), c.cmd.Wait())
}

// ground is the process of the floor, so that nobody else's time is taken for its own.
func ground(in io.Reader, out io.Writer) error {
	c, err := newFloor(true)
	if err != nil {
		return err
	}
	defer c.Close()
	viewers, stream := 0, NewStream(0)
	return answer(in, out, func(q request) (a reply, err error) {
		switch q.Do {
		case "join":
			v := Viewer{Addr: q.Addr, SSRC: ssrc(q.Index)}
			v.Key, v.Salt = master(q.Index)
			viewers++
			_, err = c.Join(v)
		case "run":
			a.Figures, err = measure(c, stream, viewers, q.Speed, q.Length)
		default:
			err = fmt.Errorf("cannot do %q", q.Do)
		}
		return a, err
	})
}

// distant is the floor in its process, as far as joining goes.
type distant struct{ *child }

func (d distant) Bare() bool           { return true }
func (d distant) Ready() error         { return nil }
func (d distant) Forward(*Frame) error { return errors.New("it runs by itself") }
func (d distant) Close() error         { return d.close() }

func (d distant) Join(v Viewer) (string, error) {
	_, err := d.ask(request{Do: "join", Addr: v.Addr, Index: int(v.SSRC - ssrc(0))})
	return "", err
}
