// What the OCI image spec's schemas demand of indexes, manifests and configs, written out by hand: types, patterns, required fields.
// Every check throws with the field at fault.
import assert from 'node:assert/strict';

const digest = /^(?:[a-z0-9]+(?:[.+_-][a-z0-9]+)*):[a-zA-Z0-9=_-]+$/;
const mediaType = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;
const dateTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const areTexts = (value: unknown) => Array.isArray(value) && value.every((item) => typeof item === 'string');
const areTextValues = (value: unknown) => isObject(value) && areTexts(Object.values(value));

function checkDescriptor(value: unknown, where: string): void {
  assert.ok(isObject(value), `${where} is an object`);
  assert.match(String(value['mediaType']), mediaType, `${where}.mediaType`);
  assert.match(String(value['digest']), digest, `${where}.digest`);
  assert.ok(Number.isSafeInteger(value['size']) && Number(value['size']) >= 0, `${where}.size`);
  if (value['annotations'] !== undefined)
    assert.ok(areTextValues(value['annotations']), `${where}.annotations`);
  if (value['platform'] !== undefined) {
    assert.ok(isObject(value['platform']), `${where}.platform`);
    for (const field of ['architecture', 'os'])
      assert.equal(typeof value['platform'][field], 'string', where);
  }
}

export function checkIndex(value: Json): void {
  assert.equal(value['schemaVersion'], 2);
  assert.equal(value['mediaType'], 'application/vnd.oci.image.index.v1+json');
  assert.ok(Array.isArray(value['manifests']));
  for (const [at, entry] of value['manifests'].entries()) checkDescriptor(entry, `manifests[${at}]`);
}

export function checkManifest(value: Json): void {
  assert.equal(value['schemaVersion'], 2);
  assert.equal(value['mediaType'], 'application/vnd.oci.image.manifest.v1+json');
  checkDescriptor(value['config'], 'config');
  assert.ok(Array.isArray(value['layers']) && value['layers'].length > 0, 'layers: one at least');
  for (const [at, layer] of value['layers'].entries()) checkDescriptor(layer, `layers[${at}]`);
}

export function checkConfig(value: Json): void {
  assert.equal(typeof value['architecture'], 'string');
  assert.equal(typeof value['os'], 'string');
  if (value['created'] !== undefined) assert.match(String(value['created']), dateTime);
  assert.ok(isObject(value['rootfs']));
  assert.equal(value['rootfs']['type'], 'layers');
  const { diff_ids: diffIds } = value['rootfs'] as { diff_ids?: unknown };
  assert.ok(areTexts(diffIds) && (diffIds as string[]).every((diffId) => digest.test(diffId)));
  if (value['config'] !== undefined) checkExecution(value['config'] as Json);
  for (const entry of (value['history'] ?? []) as Json[]) {
    if (entry['created'] !== undefined) assert.match(String(entry['created']), dateTime);
    for (const field of ['author', 'created_by', 'comment'])
      assert.ok(['string', 'undefined'].includes(typeof entry[field]), `history.${field}`);
    assert.ok(['boolean', 'undefined'].includes(typeof entry['empty_layer']));
  }
}

function checkExecution(config: Json): void {
  for (const field of ['Env', 'Entrypoint', 'Cmd']) {
    const value = config[field];
    assert.ok(value === undefined || value === null || areTexts(value), `config.${field}`);
  }
  for (const name of (config['Env'] ?? []) as string[]) assert.match(name, /^[^=]+=/s);
  for (const field of ['ExposedPorts', 'Volumes'])
    for (const value of Object.values((config[field] ?? {}) as Json)) assert.deepEqual(value, {});
  for (const port of Object.keys((config['ExposedPorts'] ?? {}) as Json))
    assert.match(port, /^\d{1,5}(?:\/(?:tcp|udp))?$/);
  for (const field of ['User', 'WorkingDir', 'StopSignal'])
    assert.ok(['string', 'undefined'].includes(typeof config[field]), `config.${field}`);
  if (config['Labels'] !== undefined && config['Labels'] !== null) assert.ok(areTextValues(config['Labels']));
}
