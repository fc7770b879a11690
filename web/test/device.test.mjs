// The device key and the dark hours of a display.

import assert from 'node:assert/strict';
import test from 'node:test';

import { deviceKey, isDark } from '../static/js/device.js';

function memory() {
  let value = null;
  return { load: () => value, save: (next) => (value = next) };
}

test('a key is made once and stays', () => {
  const storage = memory();
  const key = deviceKey(storage);
  assert.match(key, /^[0-9a-f]{64}$/);
  assert.equal(deviceKey(storage), key);
  assert.notEqual(deviceKey(memory()), key);
  storage.save({ key: 'spoilt' });
  assert.match(deviceKey(storage), /^[0-9a-f]{64}$/);
});

test('bytes below 16 keep their zero', () => {
  assert.equal(deviceKey(memory(), (bytes) => bytes.fill(7)), '07'.repeat(32));
});

test('without storage there is no key', () => {
  assert.equal(deviceKey({ load: () => null, save: () => undefined }), '');
});

test('dark hours', () => {
  const night = { from: '20:00', to: '07:30' };
  for (const at of ['20:00', '23:59', '00:00', '07:29']) assert.equal(isDark(night, at), true, at);
  for (const at of ['07:30', '12:00', '19:59']) assert.equal(isDark(night, at), false, at);
  const noon = { from: '12:00', to: '13:00' };
  assert.equal(isDark(noon, '12:30'), true);
  assert.equal(isDark(noon, '13:00'), false);
  assert.equal(isDark({ from: '', to: '' }, '00:00'), false);
  assert.equal(isDark({ from: '08:00', to: '08:00' }, '08:00'), false);
});
