-- Quality cuts (Z01)
-- The cuts on ZTF alerts that Fink makes before anything else: probably real, no bad pixels.
-- survey: ztf
-- result: one row an alert that passes: its id, its object, the real-bogus score and the number of bad pixels
-- caveat: the older score rb is asked, not drb
-- cost: two columns of all alerts
SELECT _alert, _object, candidate.rb, candidate.nbad
FROM ztf.alerts
WHERE candidate.rb >= 0.55 AND candidate.nbad = 0
