-- Alerts in a sky map
-- For counterparts of gravitational waves, neutrinos and bursts: alerts inside a coverage map within a window of time.
-- survey: lsst
-- param moc text: the map as a MOC, in ASCII or JSON: '3/12-15 5/100'
-- param start number d: begin of the window (MJD, TAI), itself included
-- param stop number d: end of the window (MJD, TAI), itself left out
-- example: moc=3/400-420 start=61137.5 stop=61144.5
-- result: one row an alert, oldest first: its id, its object, time (MJD, TAI), position (deg), band, difference flux
--   (nJy), and when its object was first seen (MJD, TAI)
-- caveat: a map says where, not how likely; cut it at a level such as 90 % first; objects that are older than the event
--   are in the answer
-- cost: files of the window; the map chooses no files
SELECT _alert, _object, _mjd_tai, _ra, _dec, diaSource.band, diaSource.psfFlux, diaObject.firstDiaSourceMjdTai
FROM lsst.alerts
WHERE _mjd_tai >= $start AND _mjd_tai < $stop AND in_moc(_ra, _dec, $moc)
ORDER BY _mjd_tai, _alert
