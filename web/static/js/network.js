// When the network of this device changes. No DOM besides the two events.

/**
 * Calls back when the device has another network, or one again. Not every event says so: `change` of
 * navigator.connection also comes for a new guess of the speed.
 * @param {() => void} callback
 * @param {{target?: EventTarget, link?: NetworkLink}} [from] for tests
 * @returns {() => void} ends it
 */
export function onNetworkChange(callback, from) {
  const given = from || {};
  const target = given.target || (typeof window === 'undefined' ? null : window);
  const link = given.link || (typeof navigator === 'undefined' ? undefined : /** @type {any} */ (navigator).connection);
  let type = link ? link.type : undefined;
  const changed = () => {
    if (!link || link.type === type) return;
    type = link.type;
    if (type !== 'none') callback();
  };
  const online = () => callback();
  if (target) target.addEventListener('online', online);
  if (link && link.addEventListener) link.addEventListener('change', changed);
  return () => {
    if (target) target.removeEventListener('online', online);
    if (link && link.removeEventListener) link.removeEventListener('change', changed);
  };
}
