// Package e2e holds the tests that use the product the way people do: the real binary, real windows of Chromium and
// Firefox, real key strokes. Its code is in test files only.
//
// How a test sees. A Chromium window titled "castcode pattern" shows the clock as black and white blocks, thirty
// times a second. A second window of the same browser is the caster and captures the first one. Displays and
// viewers are windows of a headless browser; a script that the test puts into them reads the blocks back from the
// video element, frame by frame, so every decoded frame says how old it is and a frame that is black, torn or
// missing is counted. All clocks are the clock of one machine.
//
// How a test hears. Where sound matters the caster's page captures a picture and a beep in each second that a script
// makes for it (clapper.js). Another script (ears.js) listens to the caster's track and to the viewers', and a reader
// looks at the caster's preview and the viewers' pictures. What the sound was delayed by on the way, less what the
// picture was, is the error of the lips; the errors of the instruments fall out, being at both ends. The browsers'
// own account of it, from the sender reports, is asked for as well.
//
// Chromium is driven by chromedp, Firefox by WebDriver BiDi (bidi_test.go); both are windows to a test. aiortc, with
// a transport that neither browser has, is a script that takes an answer and says what it decoded.
//
// Encoders and players of other stacks, aiortc and GStreamer's webrtcbin, are scripts too (foreign_test.go): they speak
// WHIP and WHEP by themselves, draw the same pattern and read it back, and tell in lines of JSON what became of it.
//
// The WHIP and WHEP clients of npm (testdata/npm, by its lock file) run in a page of another origin in Chromium, which
// asks for everything that CORS wants to be asked for (pages_test.go).
//
// How a test gets a network. networks_linux_test.go puts a server and browsers into network namespaces (package linksim)
// with a router between them, which is a firewall or NAT, and a link, which loses and delays. The browsers there are the
// test's own; they are driven through pipes, or from inside their namespace. The casters' pages cast the pattern without
// a screen (painted.js). TestPaths goes through all networks that people sit behind, TestUDPIsBlockedAndOpened changes one
// under way, TestViewerBehindALossyPath measures what loss does; all three print tables.
//
// What the tests share. One binary, one X server (Xvfb), one headed and one headless Chromium, one Firefox, one data
// directory. The browsers trust the local CA of that data directory in the way a person would make them: it is
// imported into the certificate store of their home directory (Firefox: of its profile). Each test starts a server of
// its own, and windows of its own in fresh profiles, and stops both.
//
// What the machine needs: chromium, firefox-esr, Xvfb, certutil, pulseaudio (Firefox plays nothing where there is no
// sound server), python3-aiortc, GStreamer with its bindings for python, and npm; .ci/setup.sh installs them. Without
// them the tests are skipped and say so; with CI=true in the environment they fail. Firefox and GStreamer also need an
// interface besides loopback: neither tries a loopback address of a lite peer while it has another of its own.
package e2e
