-- A store of schema 2, with a run that failed in its last step, as `sqlite3 FILE .dump` writes it.
PRAGMA application_id = 1818846836;
BEGIN TRANSACTION;
CREATE TABLE lift_facts (
            run BIGINT NOT NULL, seq BIGINT NOT NULL, kind TEXT NOT NULL, address TEXT NOT NULL,
            node TEXT NOT NULL, attempt BIGINT NOT NULL, started_at BIGINT NOT NULL,
            elapsed DOUBLE PRECISION NOT NULL, tokens BIGINT NOT NULL, cost DOUBLE PRECISION,
            input TEXT NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (run, address, kind));
INSERT INTO "lift_facts" VALUES(1,1,'step','0','Begin',1,1795283846449917,8.34995000332128256559e-04,0,NULL,'303de137912d59e098aed0677653e9f3','507b7de0b2695c784b37c39b6c47deb9','{"writes":[["set",["entry",["day"]],{"$":"date","v":"2026-02-03"}],["set",["held"],{"value":{"$":"date","v":"2026-02-04"}}],["set",["anything"],{"day":{"$":"tuple","v":[{"$":"date","v":"2026-02-05"},1.5]}}],["set",["_seen"],{"$":"date","v":"2026-02-06"}]],"metadata":[["set",[["note"]],{"$":"set","v":["a","b"]}]],"successor":{"$":"Fork","nodes":[{"$":"durability.older_run:Write","day":{"$":"date","v":"2026-02-07"}},{"$":"durability.older_run:Write","day":{"$":"date","v":"2026-02-08"}}],"then":{"$":"durability.older_run:Finish"}}}');
INSERT INTO "lift_facts" VALUES(1,2,'step','0.0','Write',1,1795283846462495,4.51022999186534434556e-04,0,NULL,'f5684555a92268bf4820034ee9e82fff','f9149511d162b6ca0b957d38092564f9','{"writes":[["set",["entry",["day"]],{"$":"date","v":"2026-02-07"}],["append",["days"],["2026-02-07"]]],"successor":{"$":"End"}}');
INSERT INTO "lift_facts" VALUES(1,3,'step','0.1','Write',1,1795283846463303,0.000293057004455477,0,NULL,'382b2d76615dcb5db70541da4285e418','7e94450ff084b01a06e280836ea69438','{"writes":[["append",["days"],["2026-02-08"]]],"successor":{"$":"End"}}');
INSERT INTO "lift_facts" VALUES(1,4,'join','0','Begin',1,1795283846485880,0.0,0,NULL,'507b7de0b2695c784b37c39b6c47deb9','e05416d6129017625075ab2683a98ecd','{"succeeded":[0,1],"failed":{},"elapsed":[0.000451,0.000293],"result":"59fede622549794f2676aaec00988815"}');
INSERT INTO "lift_facts" VALUES(1,5,'started','1','Finish',1,1795283846502014,0.0,0,NULL,'','','{}');
CREATE TABLE lift_runs (
            id INTEGER PRIMARY KEY, execution_id TEXT NOT NULL UNIQUE, graph TEXT NOT NULL, target TEXT NOT NULL,
            status TEXT NOT NULL, epoch BIGINT NOT NULL, user_id TEXT, seed TEXT NOT NULL,
            input TEXT NOT NULL, parent TEXT, parent_address TEXT, created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL, elapsed DOUBLE PRECISION NOT NULL, error TEXT,
            last_seq BIGINT NOT NULL, steps BIGINT NOT NULL, tokens BIGINT NOT NULL,
            cost DOUBLE PRECISION);
INSERT INTO "lift_runs" VALUES(1,'older','Begin','','failed',0,NULL,'7','303de137912d59e098aed0677653e9f3',NULL,NULL,1795283846356844,1795283846502473,6.70928379986435174942e-02,'NodeError: Step 1 (Finish) failed after 0.00653 ms: ConnectionError: down',5,3,0,NULL);
CREATE TABLE lift_schema (version BIGINT NOT NULL);
INSERT INTO "lift_schema" VALUES(2);
CREATE TABLE lift_starts (run BIGINT PRIMARY KEY, body TEXT NOT NULL);
INSERT INTO "lift_starts" VALUES(1,'{"start":null,"state":{"entry":{"day":{"$":"date","v":"2026-02-02"},"key":{"$":"secret","of":"SecretStr"}},"held":null,"days":[],"anything":null,"$private":{"_seen":{"$":"date","v":"2026-01-01"}}},"metadata":{},"shape":{"nodes":{"Begin":{"next":["Fork[Write, Finish]"],"fields":{}},"Write":{"next":["End[None]"],"fields":{}},"Finish":{"next":["End[date]"],"fields":{}}},"state":"State","types":{"State":{"entry":"Entry | None","held":"Held[date] | None","days":"list[date] (Append())","anything":"Any"},"Held":{"value":"T"}}}}');
CREATE INDEX lift_runs_created ON lift_runs (created_at);
CREATE INDEX lift_runs_status ON lift_runs (status, created_at);
CREATE INDEX lift_runs_graph ON lift_runs (graph, created_at);
CREATE INDEX lift_runs_user ON lift_runs (user_id, created_at);
CREATE INDEX lift_runs_elapsed ON lift_runs (elapsed);
CREATE INDEX lift_facts_node ON lift_facts (node, run) WHERE kind = 'step';
COMMIT;
