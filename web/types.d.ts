// What the pages use that TypeScript's own DOM types do not know (yet), and the shapes of the signaling socket
// (docs/protocol.md).

interface Window {
  /** For people who debug and for the browser tests. */
  castcode: {
    session: import("./static/js/session.js").Session | null;
    peer: RTCPeerConnection | null;
  };
  CaptureController?: new () => { setFocusBehavior(behavior: string): void };
  MediaStreamTrackGenerator?: new (init: { kind: "video" }) => MediaStreamTrack & {
    writable: WritableStream<VideoFrame>;
  };
  webkitAudioContext?: typeof AudioContext;
}

/** What is used of navigator.connection. */
interface NetworkLink extends EventTarget {
  /** `wifi`, `cellular`, `none`; absent on most desktops. */
  type?: string;
}

interface RTCRtpReceiver {
  /** Chromium's older name of jitterBufferTarget, in seconds. */
  playoutDelayHint?: number | null;
}

interface HTMLVideoElement {
  /** Full screen on iPhones, where an ordinary element cannot fill the screen. */
  webkitEnterFullscreen?: () => void;
}

interface Room {
  id: string;
  name: string;
  code?: string;
  state: "waiting" | "live" | "frozen" | "away";
  slots: Record<string, string>;
  viewers: number;
  displays: number;
  capacity: number;
  locked?: boolean;
  /** Milliseconds until it opens. */
  starts?: number;
  // The caster's alone:
  members?: Member[];
  link?: string;
  settings?: { name: string; waiting: boolean; forced: boolean; locked: boolean; pin: boolean; capacity: number };
  waiting?: number;
  lobby?: Waiting[];
}

interface Waiting {
  peer: string;
  name: string;
  address: string;
  /** Milliseconds that it has waited. */
  since: number;
  state: "waiting" | "away";
}

interface Member {
  peer: string;
  role: "display" | "viewer";
  name: string;
  state: "connecting" | "live" | "away";
  /** Displays only. */
  display?: {
    id: string;
    sound: boolean;
    muted: boolean;
    width: number;
    height: number;
    kept: boolean;
    remembers: boolean;
  };
}

/** One message of the signaling socket. */
interface Message {
  type: string;
  id?: number;
  re?: number;
  [field: string]: any;
}
