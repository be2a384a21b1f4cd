-- Quality cuts (Z01)
-- The cuts on ZTF alerts that Fink makes before anything else: probably real, no bad pixels.
-- survey: ztf
SELECT _alert, _object, candidate.rb, candidate.nbad
FROM ztf.alerts
WHERE candidate.rb >= 0.55 AND candidate.nbad = 0
