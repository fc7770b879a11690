package signal

import "testing"

// TestUnpublish lets a page hand its room over to an encoder, which is refused before.
func TestUnpublish(t *testing.T) {
	st := newStage(t, options{})
	page, created := st.caster()
	code := roomCode(created)
	token, _ := tokens(created)
	page.granted("published", offer("publish", "screen"))
	st.goLive(created)
	viewer := st.viewer(code)
	page.granted("ok", message{"type": "status", "frozen": true})
	viewer.room("frozen")
	if got := st.do("POST", "/whip/"+code, typeSDP, encoderOffer, bearer(token)...); got.status != 409 {
		t.Fatalf("while the page casts: %d %s", got.status, got.body)
	}

	page.granted("ok", message{"type": "unpublish"})
	viewer.room("away")
	st.eventually("the page's connection is closed", func() bool { return len(st.media.calls("leave "+page.peer)) == 1 })
	st.publish(code, bearer(token)...)
	st.goLive(created)
	viewer.room("live") // and no longer frozen

	page.granted("ok", message{"type": "unpublish"}) // says nothing new
	if found := page.granted("found", message{"type": "look", "code": code}); found["live"] != true {
		t.Fatalf("the encoder is out: %v", found)
	}
	if n := len(st.media.calls("end")); n != 0 {
		t.Fatalf("the cast ended %d times", n)
	}
}
