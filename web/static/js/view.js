// Which state the page of somebody who watches is in. Pure; no DOM.

/**
 * @typedef {object} Sight what a viewer or a bound display knows
 * @property {Room | null} room last state of the room; null before the answer to join
 * @property {'new' | 'connecting' | 'connected' | 'lost' | 'closed'} link the media connection
 * @property {boolean} frame a frame of the cast has been shown since the page joined this room
 * @property {boolean} moving the server said that it is leaving, and we have not come back yet
 * @property {boolean} stalled nothing arrives and the signaling socket is gone too
 */

/**
 * @param {Sight} sight
 * @returns {'connecting' | 'waiting' | 'live' | 'frozen' | 'reconnecting' | 'moving'}
 */
export function viewState(sight) {
  const room = sight.room;
  if (sight.moving) return 'moving';
  if (!room) return 'connecting';
  if (!sight.frame) {
    // The room may still be said to wait when the first picture is already on its way; the picture decides.
    if (room.state === 'waiting') return 'waiting';
    return room.state === 'away' ? 'reconnecting' : 'connecting';
  }
  if (sight.link !== 'connected' || sight.stalled || room.state === 'away') return 'reconnecting';
  return room.state === 'frozen' ? 'frozen' : 'live';
}
