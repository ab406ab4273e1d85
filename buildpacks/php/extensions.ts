// PHP extensions and the Debian packages that have them. Used by facts.ts. Pure.
import { AppError } from '@berth/kit/errors.ts';

/** In PHP itself as Debian builds it, for every app. */
const builtIn = new Set(
  (
    'calendar core ctype date exif ffi fileinfo filter ftp gettext hash iconv json libxml openssl pcntl pcre pdo phar posix ' +
    'random reflection session shmop sockets sodium spl standard sysvmsg sysvsem sysvshm tokenizer zlib zend-opcache opcache readline'
  ).split(' '),
);

/** The package's name after "php8.4-", where it is not the extension's own. */
const otherNames: Readonly<Record<string, string>> = {
  dom: 'xml',
  simplexml: 'xml',
  xmlreader: 'xml',
  xmlwriter: 'xml',
  xsl: 'xml',
  mysqli: 'mysql',
  mysqlnd: 'mysql',
  pdo_mysql: 'mysql',
  pdo_pgsql: 'pgsql',
  pdo_sqlite: 'sqlite3',
  pdo_odbc: 'odbc',
  pdo_dblib: 'sybase',
  pdo_firebird: 'interbase',
  zmq: 'zmq',
};

const ownNames: readonly string[] = (
  'amqp apcu ast bcmath bz2 curl dba ds enchant excimer gd gearman gmagick gmp gnupg http igbinary imagick inotify intl ldap mailparse ' +
  'maxminddb mbstring mcrypt memcache memcached mongodb msgpack mysql oauth odbc pcov pgsql pq ps pspell psr raphf redis rrd smbclient ' +
  'snmp soap solr sqlite3 ssh2 stomp sybase tidy uopz uploadprogress uuid xdebug xml xmlrpc yac yaml zip zstd'
).split(' ');

/** What an app gets without asking: what frameworks and samples take for granted. */
export const usualExtensions: readonly string[] = [
  'bcmath',
  'curl',
  'mbstring',
  'mysql',
  'pgsql',
  'sqlite3',
  'xml',
  'zip',
];

/** Packages' names after "php8.4-". `asked`: names of extensions with the file that asks for each. */
export function extensionPackages(asked: ReadonlyMap<string, string>): string[] {
  const names = new Set(usualExtensions);
  for (const [extension, from] of asked) {
    const name = extension.toLowerCase().replaceAll(/\s+/g, '-');
    if (builtIn.has(name)) continue;
    const own = otherNames[name] ?? (ownNames.includes(name) ? name : undefined);
    if (own === undefined)
      throw new AppError('invalid', `there is no PHP extension "${extension.slice(0, 60)}" (${from})`, {
        hint: `besides what PHP has itself there are: ${[...new Set([...ownNames, ...Object.keys(otherNames)])].sort().join(', ')}`,
      });
    names.add(own);
  }
  return [...names].sort();
}
