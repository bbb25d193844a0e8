-- A store of schema 1, with one run, as `sqlite3 FILE .dump` writes it.
PRAGMA application_id = 1818846836;
BEGIN TRANSACTION;
CREATE TABLE lift_facts (
            run BIGINT NOT NULL, seq BIGINT NOT NULL, kind TEXT NOT NULL, address TEXT NOT NULL,
            node TEXT NOT NULL, attempt BIGINT NOT NULL, started_at BIGINT NOT NULL,
            elapsed DOUBLE PRECISION NOT NULL, tokens BIGINT NOT NULL, cost DOUBLE PRECISION,
            input TEXT NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (run, address, kind));
INSERT INTO "lift_facts" VALUES(1,1,'step','0','Search',1,1772366400123456,0.25,3,0.5,'','','{"writes":{"plan":[1,"ü"]}}');
INSERT INTO "lift_facts" VALUES(1,2,'step','1','Rank',1,1772366400123456,0.25,0,NULL,'','','{"writes":{"plan":[1,"ü"]}}');
CREATE TABLE lift_runs (
            id INTEGER PRIMARY KEY, execution_id TEXT NOT NULL UNIQUE, graph TEXT NOT NULL, target TEXT NOT NULL,
            status TEXT NOT NULL, epoch BIGINT NOT NULL, user_id TEXT, seed TEXT NOT NULL,
            input TEXT NOT NULL, parent TEXT, parent_address TEXT, created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL, elapsed DOUBLE PRECISION NOT NULL, error TEXT,
            last_seq BIGINT NOT NULL, steps BIGINT NOT NULL, tokens BIGINT NOT NULL,
            cost DOUBLE PRECISION);
INSERT INTO "lift_runs" VALUES(1,'old','plan','plan.py:graph','running',0,'ann','0','',NULL,NULL,1772366400123456,1795271247580141,0.0,NULL,2,2,3,0.5);
CREATE TABLE lift_schema (version BIGINT NOT NULL);
INSERT INTO "lift_schema" VALUES(1);
CREATE TABLE lift_starts (run BIGINT PRIMARY KEY, body TEXT NOT NULL);
INSERT INTO "lift_starts" VALUES(1,'{"start":null,"state":{"plan":[]},"metadata":null,"shape":{}}');
CREATE INDEX lift_runs_created ON lift_runs (created_at);
CREATE INDEX lift_runs_status ON lift_runs (status, created_at);
COMMIT;
