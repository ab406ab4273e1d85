// What may be the name of a volume. A name becomes a folder's name, so nothing that could lead elsewhere passes (the class of CVE-2022-23648).
import { AppError } from '@berth/kit/errors.ts';

const maxLength = 255; // of one name in a folder

export function checkVolumeName(name: string): string {
  if (name.length === 1)
    throw new AppError(
      'bad_request',
      'volume name is too short, names should be at least two alphanumeric characters',
    );
  if (name.length > maxLength)
    throw new AppError('bad_request', `volume name is longer than ${maxLength} characters`);
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) return name;
  throw new AppError(
    'bad_request',
    `"${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. ` +
      'If you intended to pass a host directory, use absolute path',
  );
}
