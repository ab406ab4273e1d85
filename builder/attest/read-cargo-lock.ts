// Cargo.lock: crates with checksum and dependencies. Pure. What has no source is the app itself or a member of its workspace.
import { plain } from '../source/located.ts';
import { parseToml } from '../source/parse-toml.ts';
import { field, listOf, textOf } from './fields.ts';
import { hexHashes } from './hashes.ts';
import type { Inventory } from './inventory.ts';
import { cargoPurl } from './purl.ts';

export function readCargoLock(text: string, into: Inventory): void {
  const lock = plain(parseToml('Cargo.lock', text));
  const entries = listOf(field(lock, 'package'));
  const refs = new Map<unknown, string>();
  const byName = new Map<string, unknown[]>();
  for (const entry of entries) {
    const [name = '', version = ''] = [textOf(entry, 'name'), textOf(entry, 'version')];
    byName.set(name, [...(byName.get(name) ?? []), entry]);
    if (textOf(entry, 'source') === undefined) continue;
    // Before version 2 of the file the checksums stood at its end.
    const old = textOf(field(lock, 'metadata'), `checksum ${name} ${version} (${textOf(entry, 'source')})`);
    const hashes = hexHashes('sha256', textOf(entry, 'checksum') ?? old);
    refs.set(
      entry,
      into.add({
        type: 'library',
        name,
        version,
        purl: cargoPurl(name, version),
        ...(hashes.length === 0 ? {} : { hashes }),
      }),
    );
  }
  for (const entry of entries)
    for (const need of listOf(field(entry, 'dependencies'))) {
      // "name", "name version" or "name version (source)": as much as tells it apart.
      const [name = '', version] = String(need).split(' ');
      const targets = (byName.get(name) ?? []).filter(
        (target) => version === undefined || textOf(target, 'version') === version,
      );
      for (const target of targets.flatMap((one) => refs.get(one) ?? [])) {
        const ref = refs.get(entry);
        if (ref === undefined) into.direct.add(target);
        else into.needs(ref, target);
      }
    }
}
