-- Alerts near a position
-- For anyone with a position: alerts within 10 arcseconds, nearest first. Angles are degrees; replace the position.
-- survey: lsst
SELECT _alert, _object, _mjd_tai, separation(_ra, _dec, 150.1, 2.2) * 3600 AS arcseconds
FROM lsst.alerts
WHERE cone(_ra, _dec, 150.1, 2.2, arcsec(10))
ORDER BY arcseconds
