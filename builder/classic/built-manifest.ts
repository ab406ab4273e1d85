// The manifest of an app after its buildpacks ran: some write or replace the Procfile, and the built one is the one that counts. Pure.
import type { AppManifest } from '../manifest/app-manifest.ts';
import { parseProcfile } from '../plan/procfile.ts';

/** `pushed` and `built` are the Procfile's text before and after; undefined: there is none. What berth.toml says stands above both. */
export function builtManifest(
  manifest: AppManifest,
  pushed: string | undefined,
  built: string | undefined,
): AppManifest {
  if (built === undefined || built === pushed) return manifest;
  const { release: pushedRelease, ...before } = pushed === undefined ? {} : parseProcfile(pushed);
  const { release, ...declared } = parseProcfile(built);
  const others = Object.entries(manifest.processTypes).filter(([type, command]) => before[type] !== command);
  const releaseCommand = manifest.releaseCommand === pushedRelease ? release : manifest.releaseCommand;
  const { releaseCommand: _, ...rest } = manifest;
  return {
    ...rest,
    processTypes: { ...declared, ...Object.fromEntries(others) },
    keepsDefaults: Object.keys(declared).length === 0,
    ...(releaseCommand === undefined ? {} : { releaseCommand }),
  };
}
