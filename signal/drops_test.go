package signal

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// TestClientThatDoesNotRead: a write has 5 s, then the socket is closed and counted, and the session waits for another.
func TestClientThatDoesNotRead(t *testing.T) {
	bubble(t, options{}, func(t *testing.T, st *stage) {
		dialer := websocket.Dialer{NetDialContext: st.dial}
		conn, _, err := dialer.Dial("ws://"+st.host+"/ws", http.Header{"Origin": {"http://" + st.host}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"hello","version":1}`)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5*time.Second - time.Millisecond)
		synctest.Wait()
		if got := st.hub.Counts(); got.Drops[dropWrite] != 0 || got.Sockets != 1 {
			t.Fatalf("before 5 s: %+v", got)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if got := st.hub.Counts(); got.Drops[dropWrite] != 1 || got.Sockets != 0 || got.Sessions != 1 {
			t.Fatalf("after 5 s: %+v", got)
		}
	})
}

// TestOtherEndsAreCounted: another version of the protocol, and a server that leaves.
func TestOtherEndsAreCounted(t *testing.T) {
	st := newStage(t, options{})
	old := st.connect("")
	old.send(message{"type": "hello", "version": 2})
	old.closed(closeVersion)
	c := st.enter()
	st.hub.Drain(0)
	c.closed(websocket.CloseServiceRestart)
	late := st.connect("")
	late.closed(websocket.CloseServiceRestart)
	if got := st.hub.Counts().Drops; got[dropVersion] != 1 || got[dropDraining] != 2 {
		t.Fatalf("counted %v", got)
	}
	st.hub.Close()
}

// TestCloseIsCounted: who is there when the server closes is told so.
func TestCloseIsCounted(t *testing.T) {
	st := newStage(t, options{})
	c := st.enter()
	closed := make(chan struct{})
	go func() { defer close(closed); st.hub.Close() }()
	c.closed(websocket.CloseGoingAway)
	<-closed
	if got := st.hub.Counts().Drops[dropClosing]; got != 1 {
		t.Fatalf("%d counted", got)
	}
}
