-- 000003: what a release carries of its manifest (berth.toml, app.json), config vars that a manifest has set, regular runs.
-- Breaking: no (columns with defaults).

-- manifest: the part that is in force with the release (contract/manifest.ts), immutable like the rest of the row.
ALTER TABLE releases ADD COLUMN manifest jsonb NOT NULL DEFAULT '{}';

-- given_vars: names of config vars that some manifest has set. Set once: a var that a user removes stays removed.
ALTER TABLE apps ADD COLUMN given_vars text[] NOT NULL DEFAULT '{}';

-- The regular runs of the current release. Rows come and go with it; one that stays the same keeps its state.
-- next_at moves on in the transaction that starts a run (last_run: its instance), so that no minute is run twice, whoever dies.
CREATE TABLE cron_entries (
  app_id text NOT NULL REFERENCES apps,
  schedule text NOT NULL,
  command text NOT NULL,
  position integer NOT NULL,
  memory_mb integer NOT NULL DEFAULT 512,
  next_at timestamptz NOT NULL,
  last_run text,
  last_name text,
  last_at timestamptz,
  last_exit integer,
  note text,
  PRIMARY KEY (app_id, schedule, command)
);
CREATE INDEX cron_entries_due ON cron_entries (next_at);
