package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// x11 is a connection to the X server that speaks the six requests of the core protocol which are needed here.
//
// Chromium's list of windows to capture holds those that a window manager has taken in its care, which it tells by
// the property WM_STATE (ICCCM §4.1.3.1). There is no window manager on the screen of the tests, so adopt sets the
// property on the one window that is to be captured.
type x11 struct {
	conn net.Conn
	root uint32
}

// Opcodes, atoms and sizes of the X protocol, version 11 (encoding appendix).
const (
	xQueryTree      = 15
	xInternAtom     = 16
	xChangeProperty = 18
	xDeleteProperty = 19
	xGetProperty    = 20
	xGetInputFocus  = 43 // its answer tells that all before it is done
	xAtomWMName     = 39
	xNormalState    = 1
)

// dialX11 connects to the display without authority, as the browsers of the same user do.
func dialX11(display string) (*x11, error) {
	conn, err := net.Dial("unix", "/tmp/.X11-unix/X"+strings.TrimPrefix(display, ":"))
	if err != nil {
		return nil, err
	}
	x := &x11{conn: conn}
	if err := x.setUp(); err != nil {
		conn.Close()
		return nil, err
	}
	return x, nil
}

func (x *x11) setUp() error {
	if err := x.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	hello := make([]byte, 12)
	hello[0] = 'l' // little-endian
	binary.LittleEndian.PutUint16(hello[2:], 11)
	if _, err := x.conn.Write(hello); err != nil {
		return err
	}
	head := make([]byte, 8)
	if _, err := io.ReadFull(x.conn, head); err != nil {
		return err
	}
	body := make([]byte, 4*int(binary.LittleEndian.Uint16(head[6:])))
	if _, err := io.ReadFull(x.conn, body); err != nil {
		return err
	}
	if head[0] != 1 {
		return fmt.Errorf("X server refuses: %q", body)
	}
	// The first screen follows 32 bytes of fixed fields, the vendor's name and the list of pixmap formats.
	vendor, formats := int(binary.LittleEndian.Uint16(body[16:])), int(body[21])
	screen := 32 + (vendor+3)/4*4 + 8*formats
	if len(body) < screen+4 {
		return errors.New("X server's set-up is short")
	}
	x.root = binary.LittleEndian.Uint32(body[screen:])
	return nil
}

func (x *x11) close() error { return x.conn.Close() }

// send writes one request; words are its fields after the first four bytes.
func (x *x11) send(opcode, detail byte, words []uint32, data []byte) error {
	var b bytes.Buffer
	size := 1 + len(words) + (len(data)+3)/4
	b.Write([]byte{opcode, detail, byte(size), byte(size >> 8)})
	for _, w := range words {
		_ = binary.Write(&b, binary.LittleEndian, w) // a buffer takes everything
	}
	b.Write(data)
	b.Write(make([]byte, 4*size-b.Len()))
	_, err := x.conn.Write(b.Bytes())
	return err
}

// answer reads up to the next answer: its 32 bytes and what is appended. Events are passed over.
func (x *x11) answer() (head, more []byte, err error) {
	for {
		head = make([]byte, 32)
		if _, err = io.ReadFull(x.conn, head); err != nil {
			return nil, nil, err
		}
		switch head[0] {
		case 0:
			return nil, nil, fmt.Errorf("X error %d for request %d", head[1], head[10])
		case 1:
			more = make([]byte, 4*int(binary.LittleEndian.Uint32(head[4:])))
			_, err = io.ReadFull(x.conn, more)
			return head, more, err
		}
	}
}

func (x *x11) atom(name string) (uint32, error) {
	if err := x.send(xInternAtom, 0, []uint32{uint32(len(name))}, []byte(name)); err != nil {
		return 0, err
	}
	head, _, err := x.answer()
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(head[8:]), nil
}

// property reads up to 1 KiB of a property of any type.
func (x *x11) property(window, atom uint32) ([]byte, error) {
	if err := x.send(xGetProperty, 0, []uint32{window, atom, 0, 0, 256}, nil); err != nil {
		return nil, err
	}
	head, more, err := x.answer()
	if err != nil {
		return nil, err
	}
	n := int(binary.LittleEndian.Uint32(head[16:])) * int(head[1]) / 8
	return more[:min(n, len(more))], nil
}

// adopt marks the top-level windows whose title begins with title as normal windows, takes the mark from those
// whose title only begins with family, and says how many windows it marked.
func (x *x11) adopt(title, family string) (int, error) {
	if err := x.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	state, err := x.atom("WM_STATE")
	if err != nil {
		return 0, err
	}
	netName, err := x.atom("_NET_WM_NAME")
	if err != nil {
		return 0, err
	}
	if err := x.send(xQueryTree, 0, []uint32{x.root}, nil); err != nil {
		return 0, err
	}
	_, children, err := x.answer()
	if err != nil {
		return 0, err
	}
	marked := 0
	for ; len(children) >= 4; children = children[4:] {
		window := binary.LittleEndian.Uint32(children)
		name := x.title(window, netName)
		switch {
		case strings.HasPrefix(name, title+" "): // the browser's name follows
			marked++
			err = x.mark(window, state)
		case strings.HasPrefix(name, family):
			err = x.unmark(window, state)
		}
		if err != nil {
			return marked, err
		}
	}
	return marked, nil
}

// title is empty for a window without one, and for one that goes away while we look.
func (x *x11) title(window, netName uint32) string {
	for _, atom := range []uint32{netName, xAtomWMName} {
		if name, err := x.property(window, atom); err == nil && len(name) > 0 {
			return string(name)
		}
	}
	return ""
}

func (x *x11) mark(window, state uint32) error {
	value := binary.LittleEndian.AppendUint32(nil, xNormalState)
	value = binary.LittleEndian.AppendUint32(value, 0) // no icon window
	if err := x.send(xChangeProperty, 0, []uint32{window, state, state, 32, 2}, value); err != nil {
		return err
	}
	return x.settle()
}

func (x *x11) unmark(window, state uint32) error {
	if err := x.send(xDeleteProperty, 0, []uint32{window, state}, nil); err != nil {
		return err
	}
	return x.settle()
}

// settle waits until the server has carried out all requests before.
func (x *x11) settle() error {
	if err := x.send(xGetInputFocus, 0, nil, nil); err != nil {
		return err
	}
	_, _, err := x.answer()
	return err
}
