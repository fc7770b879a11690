package signal

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// maxBadMessages is the number of the bad message that closes a socket.
const maxBadMessages = 10

// errOversized is a frame beyond maxFrame.
var errOversized = errors.New("frame too long")

// socket is one WebSocket. Its reader runs on the goroutine of ServeHTTP, which also waits for its writer.
type socket struct {
	// fixed
	hub     *Hub
	addr    netip.Addr    // of the client, for limits
	host    string        // by which the client reached us
	agent   string        // what the client says of itself, to be shown to people
	queue   chan []byte   // never closed; frames for the writer
	closing chan struct{} // closed by shut
	read    chan struct{} // closed when the reader is over
	written chan struct{} // closed when the writer is over
	conn    *websocket.Conn

	// owned by the reader
	pace    pace
	arrived func() // it has said hello; may be called several times
	bad     int
	session *Session // nil before hello

	mu sync.Mutex
	// guarded by mu
	shutCode   int // 0 until shut
	shutReason string
	shutText   string
}

func newSocket(h *Hub, addr netip.Addr, host string) *socket {
	return &socket{
		hub: h, addr: addr, host: host, queue: make(chan []byte, h.timing.queue),
		closing: make(chan struct{}), read: make(chan struct{}), written: make(chan struct{}), pace: newPace(),
	}
}

// push queues a frame for the writer and never waits: when the queue is full the client is too slow, and the
// socket is shut. A frame for a socket that is being shut is let go; the client learns all that matters when it
// resumes.
func (k *socket) push(frame []byte) {
	if k.isClosing() {
		return
	}
	select {
	case k.queue <- frame:
	default:
		k.shut(websocket.CloseTryAgainLater, dropSlow, "too slow")
	}
}

// refuse answers a request with an error.
func (k *socket) refuse(re uint64, e *Error) {
	k.hub.tally.refused(e.code)
	k.push(errorFrame(re, e))
}

// shut makes the writer send a close frame with code after all that is queued (at once when the client is too
// slow for that) and end. Only the first call counts. It may be called from any goroutine and never waits.
func (k *socket) shut(code int, reason, text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.shutCode != 0 {
		return
	}
	k.shutCode, k.shutReason, k.shutText = code, reason, text
	close(k.closing)
	k.hub.tally.drop(reason)
}

func (k *socket) isClosing() bool {
	select {
	case <-k.closing:
		return true
	default:
		return false
	}
}

// serve runs the socket until it ends.
func (k *socket) serve(conn *websocket.Conn) {
	k.conn = conn
	go k.writeLoop()
	k.readLoop()
	if k.session != nil {
		k.hub.detach(k.session, k)
	}
	close(k.read)
	<-k.written
	_ = conn.Close() // the last one to touch it; nothing is left to be lost
}

// extend gives the client d to be heard again. Once the socket is being shut the writer sets the last deadline.
func (k *socket) extend(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.shutCode == 0 {
		_ = k.conn.SetReadDeadline(time.Now().Add(d)) // fails on a closed connection, as the next read will
	}
}

func (k *socket) readLoop() {
	defer func() {
		if fault := recover(); fault != nil {
			k.hub.fault("socket", fault)
			k.shut(websocket.CloseGoingAway, dropFault, "server fault")
		}
	}()
	k.extend(k.hub.timing.hello)
	k.conn.SetPongHandler(func(string) error { k.control(); return nil })
	k.conn.SetPingHandler(func(text string) error {
		if k.control() {
			// An error is none of the reader's: the writer is at it and will find out.
			_ = k.conn.WriteControl(websocket.PongMessage, []byte(text), time.Now().Add(k.hub.timing.linger))
		}
		return nil
	})
	if k.hub.isDraining() {
		k.refuse(0, errDraining())
		k.shut(websocket.CloseServiceRestart, dropDraining, "server is leaving")
	}
	for {
		kind, frame, err := k.next()
		switch {
		case k.isClosing() && (err == nil || errors.Is(err, errOversized)):
			// Reading on until the client closes, too: a connection closed over unread bytes is reset, and the
			// reset overtakes the close frame.
			continue
		case errors.Is(err, errOversized):
			k.refuse(0, refuse(CodeBadMessage, "frame is longer than 64 KiB"))
			k.shut(websocket.ClosePolicyViolation, dropOversized, "frame too long")
		case err != nil:
			k.lost(err)
			return
		default:
			k.receive(kind, frame)
		}
	}
}

// control counts a ping or pong like a message; it shows that a client which has said hello is alive. It reports
// whether to answer.
func (k *socket) control() bool {
	if ok, flood := k.pace.allow(time.Now()); !ok {
		if flood {
			k.shut(websocket.ClosePolicyViolation, dropFlood, "too many frames")
		}
		return false
	}
	if k.session != nil {
		k.extend(k.hub.timing.silence)
	}
	return !k.isClosing()
}

// next reads one frame; the memory that it takes is bounded whatever length the client announces.
func (k *socket) next() (kind int, frame []byte, err error) {
	kind, r, err := k.conn.NextReader()
	if err != nil {
		return 0, nil, err
	}
	frame, err = io.ReadAll(io.LimitReader(r, maxFrame+1))
	if err == nil && len(frame) > maxFrame {
		err = errOversized
	}
	return kind, frame, err
}

// lost gives a name to the end of reading.
func (k *socket) lost(err error) {
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		return // the client closed, or its connection broke
	}
	if k.session == nil {
		k.shut(websocket.ClosePolicyViolation, dropNoHello, "no hello")
	} else {
		k.shut(websocket.CloseGoingAway, dropSilent, "silent for too long")
	}
}

// receive handles one frame.
func (k *socket) receive(kind int, frame []byte) {
	if k.session != nil {
		k.extend(k.hub.timing.silence)
	}
	re, v, m, bad := decode(frame)
	if ok, flood := k.pace.allow(time.Now()); !ok {
		k.refuse(re, refuseFor(CodeRateLimited, "", time.Second))
		if flood {
			k.shut(websocket.ClosePolicyViolation, dropFlood, "too many messages")
		}
		return
	}
	if bad == nil && kind != websocket.TextMessage {
		bad = refuse(CodeBadMessage, "not a text frame")
	}
	if bad != nil {
		k.reject(re, bad)
		return
	}
	if hello, ok := m.(*helloRequest); ok && k.session == nil {
		k.hello(re, hello)
		if k.session != nil {
			k.arrived()
		}
		return
	}
	if k.session == nil {
		k.refuse(re, refuse(CodeBadState, "hello comes first"))
		return
	}
	k.hub.serve(k.session, k, re, v, m)
}

// reject answers a bad message, and closes the socket at the tenth.
func (k *socket) reject(re uint64, bad *Error) {
	k.refuse(re, bad)
	if k.bad++; k.bad >= maxBadMessages {
		k.shut(websocket.ClosePolicyViolation, dropBadMessages, "too many bad messages")
	}
}

func (k *socket) writeLoop() {
	defer close(k.written)
	ping := time.NewTicker(k.hub.timing.ping)
	defer ping.Stop()
	for {
		var err error
		select {
		case frame := <-k.queue:
			err = k.write(frame)
		case <-ping.C:
			err = k.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(k.hub.timing.write))
		case <-k.closing:
			k.farewell()
			return
		case <-k.read:
			if k.isClosing() {
				k.farewell()
			}
			return
		}
		if err != nil {
			k.shut(websocket.CloseGoingAway, dropWrite, "")
			_ = k.conn.Close() // so that the reader ends, too; its error is the one already in hand
			return
		}
	}
}

func (k *socket) write(frame []byte) error {
	if err := k.conn.SetWriteDeadline(time.Now().Add(k.hub.timing.write)); err != nil {
		return err
	}
	return k.conn.WriteMessage(websocket.TextMessage, frame)
}

// farewell sends what is queued and the close frame, and gives the client a moment to close its side.
func (k *socket) farewell() {
	k.mu.Lock()
	code, reason, text := k.shutCode, k.shutReason, k.shutText
	k.mu.Unlock()
	for queued := reason != dropSlow; queued; {
		select {
		case frame := <-k.queue:
			if k.write(frame) != nil {
				_ = k.conn.Close()
				return
			}
		default:
			queued = false
		}
	}
	closing := websocket.FormatCloseMessage(code, text)
	if err := k.conn.WriteControl(websocket.CloseMessage, closing, time.Now().Add(k.hub.timing.write)); err != nil {
		_ = k.conn.Close()
		return
	}
	_ = k.conn.SetReadDeadline(time.Now().Add(k.hub.timing.linger)) // fails only when the reader is over
}
