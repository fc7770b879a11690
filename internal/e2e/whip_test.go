package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// An encoder that is a page: it sends the pattern that it shows and the browser's beeps, with nothing but fetch and a connection.
const whipPublish = `(async (url, token, videos) => {
  const picture = document.getElementById('pattern').captureStream(30);
  const sound = await navigator.mediaDevices.getUserMedia({ audio: true });
  const pc = new RTCPeerConnection();
  for (let i = 0; i < videos; i++) pc.addTransceiver(picture.getVideoTracks()[0].clone(), { direction: 'sendonly' });
  pc.addTransceiver(sound.getAudioTracks()[0], { direction: 'sendonly' });
  await pc.setLocalDescription();
  const headers = { 'Content-Type': 'application/sdp', Authorization: 'Bearer ' + token };
  const answer = await fetch(url, { method: 'POST', headers, body: pc.localDescription.sdp });
  if (answer.status !== 201) {
    pc.close();
    return answer.status;
  }
  await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  window.whip = { pc, headers, resource: new URL(answer.headers.get('Location'), url).href };
  return answer.status;
})`

const whipLeave = `(async () => {
  const answer = await fetch(window.whip.resource, { method: 'DELETE', headers: window.whip.headers });
  window.whip.pc.close();
  return answer.status;
})()`

// encoder is somebody's program that speaks WHIP.
type encoder struct{ *window }

func (st *stage) openEncoder(t *testing.T, id int) *encoder {
	t.Helper()
	e := &encoder{st.headless.open(t, "encoder", fmt.Sprintf("%s/pattern.html?id=%d", st.patterns.URL, id))}
	e.excuse("Failed to load resource") // refusals, which the test provokes
	return e
}

// publish offers so many pictures, and sound, and answers the status.
func (e *encoder) publish(url, token string, videos int) int {
	e.t.Helper()
	return eval[int](e.window, fmt.Sprintf("%s(%s, %s, %d)", whipPublish, quote(url), quote(token), videos))
}

func (w *window) waitText(css, want string) {
	w.t.Helper()
	eventually(w.t, joinTime, w.name+": "+css+" says "+want, func() (bool, string) {
		got := w.text(css)
		return strings.Contains(got, want), fmt.Sprintf("%q", got)
	})
}

// TestEncoderCasts lets an encoder cast with what the page offers: the page tells how it is doing, viewers see it, it
// leaves and comes back; while the page itself casts, it is refused.
func TestEncoderCasts(t *testing.T) {
	st := onStage(t)
	s := st.serve(t)
	st.pattern(t, 3)
	c := st.openCaster(t, s, "")
	c.hostFrom("#host-home")
	code := s.keepSecret(c.roomCode())
	url, token := c.value("#whip-url"), s.keepSecret(c.copies("#copy-token"))
	v := st.joinLink(t, s, "viewer", code, "")
	v.waitState(joinTime, "waiting")

	e := st.openEncoder(t, 4)
	if got := e.publish(url, "not the token", 1); got != 401 {
		t.Errorf("without the token: %d", got)
	}
	if got := e.publish(url, token, 2); got != 422 {
		t.Errorf("with two pictures: %d", got)
	}
	c.waitText("#health-refused", "its offer cannot be used")
	if got := c.text("#health-state"); got != "Waiting for the encoder" {
		t.Errorf("after a refusal the page says %q", got)
	}

	if got := e.publish(url, token, 1); got != 201 {
		t.Fatalf("with address and token of the page: %d", got)
	}
	c.waitText("#health-state", "is casting")
	c.waitText("#health-streams", "keyframe")
	c.waitText("#health-streams", "Opus")
	t.Logf("the page says: %s; %q", c.text("#health-state"), c.text("#health-streams"))
	if got := c.text("#health-refused"); got != "" {
		t.Errorf("the old refusal is still told: %q", got)
	}
	v.settle()

	if got := eval[int](e.window, whipLeave); got != 200 {
		t.Errorf("leaving: %d", got)
	}
	c.waitText("#health-state", "is gone")
	if got := e.publish(url, token, 1); got != 201 {
		t.Fatalf("coming back: %d", got)
	}
	c.waitText("#health-state", "is casting")
	v.settle()

	c.click("#change-source")
	c.waitState(joinTime, "live")
	v.settle()
	if got := e.publish(url, token, 1); got != 409 {
		t.Errorf("while the page casts: %d", got)
	}
	c.waitText("#note", "because this page is casting")
	c.click("#encoder-open")
	c.click("#hand-over")
	c.waitState(joinTime, "encoder")
	if got := c.text("#health-refused"); got != "" {
		t.Errorf("the refusal is still told when nothing stands in the way: %q", got)
	}
	eventually(t, joinTime, "the encoder takes over", func() (bool, string) {
		got := e.publish(url, token, 1)
		return got == 201, fmt.Sprint(got)
	})
	v.settle()
	c.waitMembers(0, 1)
}
